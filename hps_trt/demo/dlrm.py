"""The demonstration model: a DLRM over Criteo's 26 features, exported by PyTorch's dynamo exporter.

`dlrm.onnx` beside this file is the exporter's graph with its two MLPs; the rows of its 26 tables
are external data, 1.9 GB that no repository should hold. `write_model` makes them from a seed. The
graph itself is made again by `scripts/make_demo_graph.py`, which needs PyTorch.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hps_trt.errors import UserError
from hps_trt.progress import Progress, silent
from hps_trt.tables import sync_folder, write_file

if TYPE_CHECKING:
    import numpy as np
    import onnx

GRAPH = Path(__file__).with_name("dlrm.onnx")
NAME = "dlrm.onnx"
DATA_NAME = "dlrm.onnx.data"
DIM = 128
DENSE_FEATURES = 13

# Criteo 1TB's cardinalities, the largest cut so that all rows together stay below 2 GB.
_MOST_ROWS = 450_000
_CRITEO = (
    *(40_000_000, 39_060, 17_295, 7_424, 20_265, 3, 7_122, 1_543, 63, 40_000_000, 3_067_956),
    *(405_282, 10, 2_209, 11_938, 155, 4, 976, 14, 40_000_000, 40_000_000, 40_000_000, 590_152),
    *(12_973, 108, 36),
)
ROWS: tuple[int, ...] = tuple(min(rows, _MOST_ROWS) for rows in _CRITEO)

# Every table starts on a page, so that a runtime may map it.
_ALIGNMENT = 4096
_BLOCK_ROWS = 16_384


@dataclass(frozen=True)
class Demo:
    """A model that `write_model` wrote.

    Attributes:
        path: the ONNX file; its tables lie in `<path>.data`.
        rows: rows of each of the 26 tables.
    """

    path: Path
    rows: tuple[int, ...]

    def inputs(self, batch: int, seed: int = 0, skew: float = 1.05) -> dict[str, np.ndarray]:
        """One batch of inputs: "dense" float32 [batch, 13] and "cat" int64 [batch, 26].

        Ids follow a power law with exponent `skew` (not 1), small ids being the frequent ones.
        """
        import numpy as np

        generator = np.random.default_rng(seed)
        dense = generator.standard_normal((batch, DENSE_FEATURES), dtype=np.float32)
        rows = np.array(self.rows, dtype=np.float64)
        most = (rows + 1.0) ** (1.0 - skew) - 1.0
        drawn = (generator.random((batch, len(rows))) * most + 1.0) ** (1.0 / (1.0 - skew))
        ids = np.clip(drawn.astype(np.int64) - 1, 0, np.array(self.rows) - 1)
        return {"dense": dense, "cat": ids}


def scaled_rows(scale: float) -> tuple[int, ...]:
    """Rows of the tables at `scale` (0 to 1) of their size; never less than one.

    Raises:
        UserError: `scale` is not in (0, 1].
    """
    if not 0.0 < scale <= 1.0:
        raise UserError(f"scale {scale}: give a number above 0 and at most 1")
    return tuple(max(1, math.ceil(rows * scale)) for rows in ROWS)


def write_model(
    folder: Path, *, seed: int = 0, scale: float = 1.0, progress: Progress = silent
) -> Demo:
    """Writes `dlrm.onnx` and its tables, `dlrm.onnx.data`, into an existing folder.

    The rows depend on `seed` and the number of rows alone. Files are written aside and renamed, so
    a file of that name is a whole one.

    Args:
        folder: where to; files of these names are replaced.
        seed: of the rows.
        scale: part of the rows that each table gets; 1 is 1.9 GB.
        progress: called with the bytes written.

    Raises:
        UserError: no such folder, not enough space, or a scale out of range.
        OSError: a file cannot be written.
    """
    import onnx

    rows = scaled_rows(scale)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; make it first")
    places = layout(rows)
    total = places[-1][1] + rows[-1] * DIM * 4
    space = shutil.disk_usage(folder).free
    if total > space:
        raise UserError(
            f"{folder} has {space:,} bytes free and the demonstration's tables need {total:,}: "
            "free some space, or give a smaller scale"
        )
    model = onnx.load(str(GRAPH), load_external_data=False)
    for number, (count, offset) in enumerate(places):
        refer_to_rows(table_of(model, number), count, offset)
    done = 0

    def advanced(count: int) -> None:
        nonlocal done
        done += count
        progress("rows", done, total)

    blocks = _all_blocks(rows, seed)
    _write(folder / DATA_NAME, blocks, advanced)
    _write(folder / NAME, iter((memoryview(model.SerializeToString()),)), lambda count: None)
    sync_folder(folder)
    return Demo(folder / NAME, rows)


def table_of(model: onnx.ModelProto, number: int) -> onnx.TensorProto:
    """The initializer of table `number`.

    Raises:
        UserError: the model is not the demonstration's.
    """
    name = f"embs.{number}.weight"
    tensor: onnx.TensorProto
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return tensor
    raise UserError(f"the demonstration's graph has no table {name}: install hps-trt again")


def refer_to_rows(tensor: onnx.TensorProto, rows: int, offset: int) -> None:
    """Makes `tensor` a table of `rows` rows that lie in the data file at `offset`."""
    import onnx

    tensor.dims[:] = [rows, DIM]
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in (("location", DATA_NAME), ("offset", offset), ("length", rows * DIM * 4)):
        tensor.external_data.add(key=key, value=str(value))


def layout(rows: Sequence[int]) -> list[tuple[int, int]]:
    """(rows, first byte) of each table in the data file."""
    places = []
    end = 0
    for count in rows:
        start = -(-end // _ALIGNMENT) * _ALIGNMENT
        places.append((count, start))
        end = start + count * DIM * 4
    return places


def _all_blocks(rows: Sequence[int], seed: int) -> Iterator[memoryview]:
    """The data file's bytes; a block is valid until the next one is asked for."""
    import numpy as np

    written = 0
    buffer = np.empty((_BLOCK_ROWS, DIM), dtype=np.float32)
    for number, (count, offset) in enumerate(layout(rows)):
        if offset > written:
            yield memoryview(bytes(offset - written))
        generator = np.random.default_rng([seed, number])
        for first in range(0, count, _BLOCK_ROWS):
            block = buffer[: min(_BLOCK_ROWS, count - first)]
            # DLRM's own initialisation: uniform in +-sqrt(1 / rows).
            generator.random(out=block, dtype=np.float32)
            block -= np.float32(0.5)
            block *= np.float32(2.0 / math.sqrt(count))
            yield block.reshape(-1).view(np.uint8).data
        written = offset + count * DIM * 4


def _write(path: Path, blocks: Iterator[memoryview], advanced: Callable[[int], None]) -> None:
    """Writes a file aside, then gives it its name."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write_file(aside, blocks, advanced)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
