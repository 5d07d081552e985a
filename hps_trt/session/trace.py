"""Walks from reads of tables back to the graph's inputs, carrying the range that ids must keep."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hps_trt.session.ranges import Range, Selection

if TYPE_CHECKING:
    import numpy as np
    import onnx

# Values pass unchanged, and so does the place in the last axis.
_SAME = {"Identity", "Cast"}
# Values pass unchanged from the first input; their places change.
_MOVES = {
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Transpose",
    "Expand",
    "Tile",
    "GatherND",
    "GatherElements",
    "Compress",
    "Unique",
    "Split",
    "Slice",
    "Gather",
}
# What comes out says nothing about what goes in.
_STOPS = {
    "Shape",
    "Size",
    "NonZero",
    "Range",
    "Equal",
    "Less",
    "LessOrEqual",
    "Greater",
    "GreaterOrEqual",
    "Not",
    "And",
    "Or",
    "Xor",
    "ArgMax",
    "ArgMin",
    "OneHot",
    "Loop",
    "If",
    "Scan",
}
_ANY = Range(0, 2**31 - 1)
_MAX_STEPS = 200_000
_MAX_DEPTH = 16  # of copies of a constant; a damaged graph may have a circle of them


class Tracer:
    """Collects what the inputs of one model may hold."""

    def __init__(self, model: "onnx.ModelProto") -> None:
        self._graph = model.graph
        self._producers: dict[str, onnx.NodeProto] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        for graph in _graphs(model.graph):
            self._initializers.update((tensor.name, tensor) for tensor in graph.initializer)
            for node in graph.node:
                self._nodes.append(node)
                self._producers.update((output, node) for output in node.output if output)
        self._inputs = [v for v in model.graph.input if v.name not in self._initializers]
        self._names = {value.name for value in self._inputs}
        self._found: dict[str, dict[tuple[Selection | None, Range], None]] = {}

    def inputs(self) -> "list[onnx.ValueInfoProto]":
        """The inputs that must be given (an initializer of the same name is a default)."""
        return self._inputs

    def constraints(self, name: str) -> tuple[tuple[Selection | None, Range], ...]:
        """What was collected for the input `name`."""
        return tuple(self._found.get(name, ()))

    def require_other_reads(self, known: set[str]) -> None:
        """Requires the ids of every other Gather of a constant to be within it.

        Args:
            known: outputs of the reads that need not be looked at.
        """
        for node in self._nodes:
            if node.op_type not in ("Gather", "GatherND") or node.output[0] in known:
                continue
            table = self._constant_shape(node.input[0])
            axis = _attribute(node, "axis", 0) if node.op_type == "Gather" else 0
            if not table or not -len(table) <= axis < len(table):
                continue
            rows = table[axis]
            if rows > 0:
                self.require(node.input[1], Range(-rows, rows - 1), None)

    def require(self, tensor: str, values: Range, selection: Selection | None) -> None:
        """Makes `values` a condition of every input that reaches `tensor`."""
        pending = [(tensor, values, selection)]
        seen = set(pending)
        while pending and len(seen) < _MAX_STEPS:
            name, allowed, where = pending.pop()
            if name in self._names:
                self._found.setdefault(name, {})[(where, allowed)] = None
                continue
            node = self._producers.get(name)
            if node is None or not node.input or name in self._initializers:
                continue
            for step in self._back(node, name, allowed, where):
                if step not in seen:
                    seen.add(step)
                    pending.append(step)

    def _back(
        self, node: "onnx.NodeProto", output: str, allowed: Range, where: Selection | None
    ) -> list[tuple[str, Range, Selection | None]]:
        kind, first = node.op_type, node.input[0]
        if kind in _STOPS:
            return []
        if kind in _SAME:
            return [(first, allowed, where)]
        if kind in ("Gather", "Slice", "Split"):
            return [(first, allowed, self._selected(node, output))]
        if kind in _MOVES:
            return [(first, allowed, None)]
        if kind == "Concat":
            return [(name, allowed, None) for name in node.input]
        if kind in ("Add", "Sub", "Div", "Mod") and len(node.input) == 2:
            stepped = self._arithmetic(node, allowed)
            if stepped is not None:
                return stepped
        skip = 1 if kind == "Where" else 0
        return [(name, allowed.rows(), None) for name in node.input[skip:] if name]

    def _arithmetic(
        self, node: "onnx.NodeProto", allowed: Range
    ) -> list[tuple[str, Range, Selection | None]] | None:
        """Steps over x op constant; None when it is something else."""
        import numpy as np

        name, constant = node.input[0], self._constant(node.input[1])
        if constant is None and node.op_type == "Add":
            name, constant = node.input[1], self._constant(node.input[0])
        if constant is None or constant.size == 0 or not np.all(np.isfinite(constant)):
            return None
        least, most = int(constant.min()), int(constant.max())
        allowed = Range(0, max(0, allowed.high))
        if node.op_type == "Mod":
            return [(name, _ANY, None)]
        if node.op_type == "Div":
            return [(name, Range(0, (allowed.high + 1) * least - 1), None)] if least > 0 else None
        sign = 1 if node.op_type == "Add" else -1
        if constant.ndim == 0 or constant.size == 1 or constant.shape[-1] != constant.size:
            shift = sorted((sign * least, sign * most))
            return [(name, allowed.shifted(*shift).rows(), None)]
        # One offset per column: tables that were fused into one.
        return [
            (name, allowed.shifted(*2 * (sign * int(offset),)).rows(), Selection.one(-1, column))
            for column, offset in enumerate(constant.reshape(-1))
        ]

    def _selected(self, node: "onnx.NodeProto", output: str) -> Selection | None:
        """Which part of its first input a Gather, Slice or Split takes, when that is constant."""
        if node.op_type == "Gather":
            index = self._constant(node.input[1])
            if index is None or index.size != 1:
                return None
            return Selection.one(_attribute(node, "axis", 0), int(index.reshape(-1)[0]))
        if node.op_type == "Slice":
            return self._sliced(node)
        sizes = self._constant(node.input[1]) if len(node.input) > 1 else _sizes(node)
        if sizes is None or sizes.size != len(node.output):
            return None
        part = list(node.output).index(output)
        start = int(sizes[:part].sum())
        return Selection(_attribute(node, "axis", 0), start, start + int(sizes[part]))

    def _sliced(self, node: "onnx.NodeProto") -> Selection | None:
        values = [self._constant(name) if name else None for name in node.input[1:]]
        if len(values) < 3 or any(v is None or v.size != 1 for v in values):
            return None
        start, stop, axis, *step = (int(v.reshape(-1)[0]) for v in values if v is not None)
        if step and step[0] != 1:
            return None
        return Selection(axis, start, None if stop > 2**30 else stop)

    def _constant_shape(self, name: str) -> tuple[int, ...]:
        """The shape of a constant, also through Identity and Cast; () when it is none."""
        tensor = self._tensor(name)
        return () if tensor is None else tuple(tensor.dims)

    def _constant(self, name: str) -> "np.ndarray | None":
        """The value of a constant that lies in the model itself, or None."""
        import onnx

        tensor = self._tensor(name)
        if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return None
        value: np.ndarray = onnx.numpy_helper.to_array(tensor)
        return value

    def _tensor(self, name: str) -> "onnx.TensorProto | None":
        for _ in range(_MAX_DEPTH):
            if name in self._initializers:
                return self._initializers[name]
            node = self._producers.get(name)
            if node is None or not node.input:
                return None if node is None else _constant_of(node)
            if node.op_type not in _SAME:
                return None
            name = node.input[0]
        return None


def _constant_of(node: "onnx.NodeProto") -> "onnx.TensorProto | None":
    import onnx

    for attribute in node.attribute if node.op_type == "Constant" else ():
        if attribute.name == "value":
            tensor: onnx.TensorProto = attribute.t
            return tensor
        if attribute.name == "value_int":
            return onnx.helper.make_tensor("", onnx.TensorProto.INT64, [], [attribute.i])
        if attribute.name == "value_ints":
            values = attribute.ints
            return onnx.helper.make_tensor("", onnx.TensorProto.INT64, [len(values)], values)
    return None


def _sizes(node: "onnx.NodeProto") -> "np.ndarray | None":
    """Sizes of the parts of a Split before opset 13."""
    import numpy as np

    return next((np.array(list(a.ints)) for a in node.attribute if a.name == "split"), None)


def _attribute(node: "onnx.NodeProto", name: str, default: int) -> int:
    return next((a.i for a in node.attribute if a.name == name), default)


def _graphs(graph: "onnx.GraphProto") -> "Iterator[onnx.GraphProto]":
    """`graph` and the graphs inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)
