"""Random inputs for a model whose integer inputs are ids of tables.

An id outside its table makes Gather fail, so ids must be drawn within the rows of every table
they reach. `input_ranges` walks from each read of a table back to the graph's inputs and collects
what each input, or each column of a packed one, may hold; `InputRanges.draw` makes a batch.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hps_trt.errors import UserError
from hps_trt.session.ranges import Range, Selection
from hps_trt.session.trace import Tracer

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from hps_trt.surgery import Lookup

SMALL_EXTENT = 3
"""What a dynamic dimension gets that is not the batch."""

_UNKNOWN = 2**62

_EXACT_INTEGERS = {"float16": 2**11, "float32": 2**24, "float64": 2**53}


@dataclass(frozen=True)
class _Input:
    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    constraints: tuple[tuple[Selection | None, Range], ...]

    def least_extent(self, axis: int) -> int:
        """How long `axis` must be for every part read from it to be there."""
        selections = [selection for selection, _ in self.constraints if selection is not None]
        rank = len(self.shape)
        return max((s.least_extent() for s in selections if s.of(rank) == axis), default=0)

    def batch_axis(self) -> int | None:
        """The first axis, or the second where the first one packs the ids of several tables."""
        for axis, extent in enumerate(self.shape[:2]):
            if self.least_extent(axis) == 0:
                return None if isinstance(extent, int) else axis
        return None


@dataclass(frozen=True)
class InputRanges:
    """The inputs of a model and what they may hold."""

    inputs: tuple[_Input, ...] = field(default=())

    def draw(self, seed: int, batch: int, batch_size: int) -> "dict[str, np.ndarray]":
        """One batch: the same for the same arguments.

        The first elements of every range, or of every column with its own, are its edges: the first
        and the last row, and where ids may be negative -1 and minus the number of rows; the batch's
        number rotates them, so that small batches meet all of them in turn.

        Raises:
            UserError: an input has a type that cannot be made up.
        """
        import numpy as np

        extents = self._extents(batch_size)
        feed = {}
        for position, wanted in enumerate(self.inputs):
            generator = np.random.default_rng([seed, batch, position])
            shape = tuple(
                extent if isinstance(extent, int) else extents[(wanted.name, axis)]
                for axis, extent in enumerate(wanted.shape)
            )
            feed[wanted.name] = _draw(wanted, shape, generator, batch)
        return feed

    def _extents(self, batch_size: int) -> dict[tuple[str, int], int]:
        """Extents of the dynamic dimensions, equal where their symbols are."""
        symbols: dict[str, int] = {}
        for wanted in self.inputs:
            axis = wanted.batch_axis()
            symbol = None if axis is None else wanted.shape[axis]
            if isinstance(symbol, str):
                symbols[symbol] = batch_size
        extents = {}
        for wanted in self.inputs:
            for axis, extent in enumerate(wanted.shape):
                if isinstance(extent, int):
                    continue
                value = wanted.least_extent(axis) or SMALL_EXTENT
                value = batch_size if axis == wanted.batch_axis() else value
                if extent is not None:
                    value = symbols.setdefault(extent, value)
                extents[(wanted.name, axis)] = value
        return extents


def input_ranges(model: "onnx.ModelProto", lookups: "tuple[Lookup, ...]") -> InputRanges:
    """What the inputs of `model` may hold so that no table is read outside its rows.

    Args:
        model: the model; external data need not be loaded.
        lookups: what `hps_trt.surgery.find` found in it.

    Raises:
        UserError: an input is no tensor of a type that numpy has.
    """
    import onnx

    tracer = Tracer(model)
    for lookup in lookups:
        low = -lookup.rows if lookup.index_mode == "onnx" else 0
        selection = None if lookup.ids_column < 0 else Selection.one(-1, lookup.ids_column)
        tracer.require(lookup.ids, Range(low, lookup.rows - 1), selection)
    tracer.require_other_reads({lookup.output for lookup in lookups})
    inputs = []
    for value in tracer.inputs():
        kind = value.type.tensor_type
        if not value.type.HasField("tensor_type"):
            raise UserError(f"input '{value.name}' is no tensor; give the inputs with --inputs")
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name
        shape: list[int | str | None] = []
        for extent in kind.shape.dim:
            if extent.HasField("dim_value") and extent.dim_value >= 0:
                shape.append(extent.dim_value)
            else:
                shape.append(extent.dim_param or None)
        inputs.append(_Input(value.name, dtype, tuple(shape), tracer.constraints(value.name)))
    return InputRanges(tuple(inputs))


def _draw(
    wanted: _Input, shape: tuple[int, ...], generator: "np.random.Generator", batch: int
) -> "np.ndarray":
    import numpy as np

    dtype = np.dtype(wanted.dtype) if wanted.dtype != "bfloat16" else None
    if dtype is None or dtype.kind not in "iufb":
        raise UserError(
            f"input '{wanted.name}' is {wanted.dtype}, which cannot be made up; "
            "give the inputs with --inputs"
        )
    if wanted.constraints:
        return _draw_ids(wanted, shape, generator, batch).astype(dtype)
    if dtype.kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    # Of integers that reach no table nothing is known; a rising row that starts at 0 does as
    # offsets, as segment ids and as lengths.
    values = generator.integers(0, 1 + (shape[0] if shape else 1), shape)
    if len(shape) == 1 and shape[0] > 0:
        values.sort()
        values[0] = 0
    return np.asarray(values).astype(dtype)


def _draw_ids(
    wanted: _Input, shape: tuple[int, ...], generator: "np.random.Generator", batch: int
) -> "np.ndarray":
    import numpy as np

    limit = _limit(wanted.dtype)
    rank = len(shape)
    low, high = np.full(shape, -1 - _UNKNOWN), np.full(shape, _UNKNOWN)
    parts = [
        (selection.index(rank) if selection is not None else (slice(None),) * rank, values)
        for selection, values in wanted.constraints
    ]
    for part, values in parts:
        low[part] = np.maximum(low[part], max(values.low, limit.low))
        high[part] = np.minimum(high[part], min(values.high, limit.high))
    # Parts that nothing asks about hold small numbers, and where conditions leave no number both
    # lower ones win: 0 is a row of every table.
    high[high == _UNKNOWN] = SMALL_EXTENT
    low[(low > high) | (low < -_UNKNOWN)] = 0
    high = np.maximum(high, low)
    drawn = np.asarray(generator.integers(low, high + 1, shape, np.int64))
    for part, _ in parts:
        places = np.arange(drawn.size).reshape(shape)[part].reshape(-1)
        for turn, place in enumerate(places[:4]):
            values = Range(int(low.flat[place]), int(high.flat[place]))
            drawn.flat[place] = values.edge(turn + batch)
    return drawn


def _limit(dtype: str) -> Range:
    import numpy as np

    if dtype in _EXACT_INTEGERS:
        return Range(-_EXACT_INTEGERS[dtype], _EXACT_INTEGERS[dtype])
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        return Range(0, 1)
    return Range(
        max(int(np.iinfo(kind).min), -_UNKNOWN), min(int(np.iinfo(kind).max), _UNKNOWN - 1)
    )
