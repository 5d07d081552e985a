"""The graph an engine is built from, as far as building needs to know it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hps_trt.bundle import MODEL_FILE, SPLIT_FOLDER
from hps_trt.errors import UserError

if TYPE_CHECKING:
    from onnx import GraphProto, ValueInfoProto

PLUGIN_OP = "HPS_TRT"
DENSE_FILE = "dense.onnx"


@dataclass(frozen=True)
class Graph:
    """An ONNX file: its inputs' extents (a number, a symbol's name, or "" for an unnamed one)."""

    path: Path
    inputs: dict[str, tuple[int | str, ...]]
    plugin_nodes: tuple[str, ...]  # names of the HPS_TRT nodes

    @property
    def dynamic(self) -> dict[str, tuple[int | str, ...]]:
        """The inputs that need a range."""
        return {
            name: shape
            for name, shape in self.inputs.items()
            if any(isinstance(extent, str) for extent in shape)
        }


def open_graph(source: Path) -> Graph:
    """Reads a bundle's `model.onnx`, or an ONNX file; the weights stay on disk.

    Raises:
        UserError: there is no such graph, it is no ONNX, or an input has no shape.
    """
    import onnx
    from google.protobuf.message import DecodeError

    path = source / MODEL_FILE if source.is_dir() else source
    if not path.is_file():
        raise UserError(f"{path}: no such graph; give a bundle folder or an ONNX file")
    try:
        model = onnx.load(str(path), format="protobuf", load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise UserError(f"{path}: not an ONNX model") from error
    if not model.HasField("graph"):
        raise UserError(f"{path}: not an ONNX model")
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {
        value.name: _extents(path, value)
        for value in model.graph.input
        if value.name not in weights
    }
    return Graph(path, inputs, tuple(_plugin_nodes(model.graph)))


def dense_graph(source: Path) -> Graph:
    """The graph that a runtime without plugins can build.

    Raises:
        UserError: the graph holds lookups, and there is no split part without them.
    """
    dense = source / SPLIT_FOLDER / DENSE_FILE
    graph = open_graph(dense if source.is_dir() and dense.is_file() else source)
    if graph.plugin_nodes:
        raise UserError(
            f"{graph.path}: node {graph.plugin_nodes[0]!r} is an {PLUGIN_OP} plugin, and TensorRT "
            "for RTX supports no plugins; make the bundle with `hps-trt convert --split`, then its "
            "dense part is built"
        )
    return graph


def _extents(path: Path, value: "ValueInfoProto") -> tuple[int | str, ...]:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        raise UserError(f"{path}: input {value.name!r} has no shape; export the model with one")
    extents: list[int | str] = []
    for extent in tensor.shape.dim:
        fixed = extent.HasField("dim_value") and extent.dim_value >= 0
        extents.append(extent.dim_value if fixed else extent.dim_param)
    return tuple(extents)


def _plugin_nodes(graph: "GraphProto") -> list[str]:
    found: list[str] = []
    for node in graph.node:
        if node.op_type == PLUGIN_OP:
            found.append(node.name or (node.output[0] if node.output else PLUGIN_OP))
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs]:
                found.extend(_plugin_nodes(inner))
    return found
