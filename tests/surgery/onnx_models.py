"""Small models for the tests, and how they are run and compared."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import reference_op
from onnx import TensorProto, helper, numpy_helper

from hps_trt import surgery

FLOAT, FLOAT16, BFLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
INT32, INT64, BOOL = TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
BINDING = surgery.Binding("hps.json", "0123456789abcdef" * 2, "model")


def table(rows: int, dim: int, seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(dtype)


def value(name: str, elem_type: int, shape: Sequence[int | str | None] | None):
    return helper.make_tensor_value_info(name, elem_type, shape)


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
    **graph: Any,
) -> onnx.ModelProto:
    """A model; numpy constants become initializers."""
    initializers = [
        item if isinstance(item, TensorProto) else numpy_helper.from_array(np.asarray(item), name)
        for name, item in (constants or {}).items()
    ]
    made = helper.make_graph(nodes, "graph", inputs, outputs, initializers, **graph)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def one_gather(rows: int = 10, dim: int = 4, ids_type: int = INT64, **attributes: Any):
    """The plainest lookup: ids [B, 2] -> rows."""
    return model(
        [node("Gather", ["emb.weight", "ids"], ["rows"], **attributes)],
        [value("ids", ids_type, ["B", 2])],
        [value("rows", FLOAT, ["B", 2, dim])],
        {"emb.weight": table(rows, dim)},
    )


def find(proto: onnx.ModelProto) -> surgery.Findings:
    return surgery.find(surgery.load(proto))


def only(proto: onnx.ModelProto) -> surgery.Lookup:
    """The one lookup of a model without refusals."""
    findings = find(proto)
    assert findings.refused == ()
    (lookup,) = findings.lookups
    return lookup


def refusal(proto: onnx.ModelProto) -> surgery.Refusal:
    """The one refusal of a model without lookups."""
    findings = find(proto)
    assert findings.lookups == ()
    (refused,) = findings.refused
    return refused


def read_tables(sources: Mapping[str, surgery.TableSource]) -> dict[str, np.ndarray]:
    """Rows by table name, read in small uneven blocks."""
    types = {"fp32": FLOAT, "fp16": FLOAT16, "bf16": BFLOAT16}
    arrays = {}
    for name, source in sources.items():
        data = b"".join(bytes(block) for block in source.blocks(block_bytes=1000))
        assert len(data) == source.nbytes
        dtype = reference_op.dtype_of(types[source.dtype])
        arrays[name] = np.frombuffer(data, dtype).reshape(source.rows, source.dim)
    return arrays


def convert(proto: onnx.ModelProto, source_dir: Any = None, **options: Any):
    """find, plan and apply; the new model and its tables."""
    loaded = surgery.load(proto, source_dir=source_dir)
    plan = surgery.make_plan(surgery.find(loaded), **options)
    plan = surgery.Plan.from_json(plan.to_json())
    tables = read_tables(surgery.table_sources(loaded, plan))
    return surgery.apply(loaded, plan, BINDING), tables


def run(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The model in ONNX Runtime, as it is written."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))


def assert_same(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> None:
    """Equal types, shapes and bits."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()


def assert_converts(proto: onnx.ModelProto, feeds: Mapping[str, np.ndarray], lookups: int = 1):
    """Converts a model and holds it against the original, twice; returns the new model."""
    before = proto.SerializeToString(deterministic=True)
    new, tables = convert(proto)
    assert proto.SerializeToString(deterministic=True) == before
    assert len(find(proto).lookups) == lookups
    assert list(new.graph.input) == list(proto.graph.input)
    assert list(new.graph.output) == list(proto.graph.output)
    expected = run(proto, feeds)
    assert_same(run(reference_op.expand(new, tables), feeds), expected)
    assert find(new).lookups == ()
    return new


def ops(graph: onnx.GraphProto) -> list[str]:
    return [item.op_type for item in graph.node]
