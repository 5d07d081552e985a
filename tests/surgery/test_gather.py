"""The rule of a plain Gather, and what it must leave alone."""

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx_models import (
    BFLOAT16,
    FLOAT,
    FLOAT16,
    INT32,
    INT64,
    assert_converts,
    find,
    model,
    node,
    one_gather,
    only,
    ops,
    refusal,
    table,
    value,
)

IDS = {"ids": np.array([[0, 9], [3, 3], [-1, -10]], dtype=np.int64)}


@pytest.mark.parametrize("attributes", [{}, {"axis": 0}, {"axis": -2}])
def test_finds_a_gather_along_the_first_axis(attributes):
    lookup = only(one_gather(**attributes))
    assert (lookup.rule, lookup.initializer, lookup.rows, lookup.dim, lookup.dtype) == (
        "gather",
        "emb.weight",
        10,
        4,
        "fp32",
    )
    assert (lookup.ids, lookup.ids_dtype, lookup.ids_column) == ("ids", "int64", -1)
    assert (lookup.index_mode, lookup.output, lookup.scope) == ("onnx", "rows", "")
    assert lookup.table == "emb"
    assert lookup.ids_path == ("input ids",)
    assert "-10..9" in lookup.differences[0]


@pytest.mark.parametrize("attributes", [{}, {"axis": 0}])
@pytest.mark.parametrize("ids_type", [INT32, INT64])
def test_rows_are_the_same(attributes, ids_type):
    ids = {"ids": IDS["ids"].astype(helper.tensor_dtype_to_np_dtype(ids_type))}
    new = assert_converts(one_gather(ids_type=ids_type, **attributes), ids)
    assert ops(new.graph) == ["HPS_TRT"]
    assert not new.graph.initializer


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0,), (2, 0)])
def test_ids_of_any_rank(shape):
    proto = model(
        [node("Gather", ["w", "ids"], ["rows"])],
        [value("ids", INT64, shape)],
        [value("rows", FLOAT, [*shape, 4])],
        {"w": table(7, 4)},
    )
    ids = np.random.default_rng(1).integers(-7, 7, shape, dtype=np.int64)
    assert_converts(proto, {"ids": ids})


@pytest.mark.parametrize(("elem_type", "name"), [(FLOAT16, "fp16"), (BFLOAT16, "bf16")])
def test_half_precision_tables(elem_type, name):
    rows = table(10, 4, dtype=helper.tensor_dtype_to_np_dtype(elem_type))
    proto = model(
        [
            node("Gather", ["w", "ids"], ["half"]),
            node("Cast", ["half"], ["rows"], to=FLOAT),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("rows", FLOAT, ["B", 2, 4])],
        {"w": numpy_helper.from_array(rows, "w")},
    )
    assert only(proto).dtype == name
    new = assert_converts(proto, IDS)
    (info,) = new.graph.value_info
    assert (info.name, info.type.tensor_type.elem_type) == ("half", elem_type)


def test_a_table_through_identities():
    proto = model(
        [
            node("Identity", ["a.weight"], ["b.weight"]),
            node("Identity", ["b.weight"], ["c.weight"]),
            node("Gather", ["a.weight", "ids"], ["a"]),
            node("Gather", ["c.weight", "ids"], ["c"]),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("a", FLOAT, ["B", 2, 4]), value("c", FLOAT, ["B", 2, 4])],
        {"a.weight": table(10, 4)},
    )
    new = assert_converts(proto, IDS, lookups=2)
    assert {lookup.initializer for lookup in find(proto).lookups} == {"a.weight"}
    assert {lookup.table for lookup in find(proto).lookups} == {"a"}
    assert ops(new.graph) == ["HPS_TRT"]
    assert not new.graph.initializer


def test_a_table_in_a_constant_node():
    proto = model(
        [
            node("Constant", [], ["w"], value=numpy_helper.from_array(table(10, 4), "")),
            node("Gather", ["w", "ids"], ["rows"]),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("rows", FLOAT, ["B", 2, 4])],
    )
    assert only(proto).initializer == "w"
    assert ops(assert_converts(proto, IDS).graph) == ["HPS_TRT"]


def test_tied_weights_keep_the_initializer():
    proto = model(
        [
            node("Gather", ["w", "ids"], ["rows"]),
            node("ReduceMean", ["rows"], ["mean"], axes=[1], keepdims=0),
            node("Gemm", ["mean", "w"], ["logits"], transB=1),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("logits", FLOAT, ["B", 10])],
        {"w": table(10, 4)},
    )
    new = assert_converts(proto, IDS)
    assert [tensor.name for tensor in new.graph.initializer] == ["w"]


def test_computed_ids_stay_in_the_graph():
    proto = model(
        [
            node("Mod", ["ids", "n"], ["hashed"]),
            node("Add", ["hashed", "offset"], ["fused"]),
            node("Gather", ["w", "fused"], ["rows"]),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("rows", FLOAT, ["B", 2, 4])],
        {"w": table(10, 4), "n": np.int64(5), "offset": np.array([0, 5])},
    )
    assert only(proto).ids_path == ("input ids", "Mod Mod:hashed", "Add Add:fused")
    new = assert_converts(proto, {"ids": IDS["ids"] * 1000})
    assert ops(new.graph) == ["Mod", "Add", "HPS_TRT"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"axis": 1}, "axis 1"),
        ({"data": table(10, 4)[0]}, "rank 1"),
        ({"data": table(10, 4)[None]}, "rank 3"),
        ({"data": table(10, 4).astype(np.float64)}, "DOUBLE"),
        ({"data": np.zeros((0, 4), np.float32)}, "extents [0, 4]"),
        ({"ids": "constant"}, "constant"),
        ({"ids": "range"}, "do not depend on any input"),
        ({"input": True}, "graph input"),
        ({"output": True}, "output of the graph"),
    ],
)
def test_refuses_with_a_reason(change, reason):
    constants = {"w": change.get("data", table(10, 4)), "fixed": np.array([1, 2])}
    constants |= {"zero": np.int64(0), "two": np.int64(2), "one": np.int64(1)}
    nodes = [node("Range", ["zero", "two", "one"], ["range"])]
    ids = {"constant": "fixed"}.get(change.get("ids"), change.get("ids", "ids"))
    nodes.append(node("Gather", ["w", ids], ["rows"], axis=change.get("axis", 0)))
    inputs = [value("ids", INT64, ["B"])]
    outputs = [value("rows", FLOAT, None)]
    if change.get("input"):
        inputs.append(value("w", FLOAT, [10, 4]))
    if change.get("output"):
        outputs.append(value("w", FLOAT, [10, 4]))
    refused = refusal(model(nodes, inputs, outputs, constants))
    assert reason in refused.reason
    assert (refused.node, refused.op, refused.initializer) == ("Gather:rows", "Gather", "w")
    assert (refused.rule, refused.scope) == ("gather", "")


def test_refuses_a_table_that_the_graph_computes():
    proto = model(
        [
            node("Cast", ["w16"], ["w"], to=FLOAT),
            node("Gather", ["w", "ids"], ["rows"], name="look"),
        ],
        [value("ids", INT64, ["B"])],
        [value("rows", FLOAT, ["B", 4])],
        {"w16": table(10, 4, dtype=np.float16)},
    )
    refused = refusal(proto)
    assert (refused.node, refused.initializer) == ("look", "w16")
    assert "computed in the graph, last by Cast" in refused.reason


def test_refuses_ids_whose_type_nobody_knows():
    proto = model(
        [
            node("Mystery", ["ids"], ["hashed"], domain="somewhere"),
            node("Gather", ["w", "hashed"], ["rows"]),
        ],
        [value("ids", INT64, ["B"])],
        [value("rows", FLOAT, None)],
        {"w": table(10, 4)},
    )
    proto.opset_import.append(helper.make_opsetid("somewhere", 1))
    assert "'hashed' is not known" in refusal(proto).reason


def test_is_silent_about_other_gathers():
    proto = model(
        [
            node("Shape", ["x"], ["shape"]),
            node("Gather", ["shape", "zero"], ["batch"]),
            node("Gather", ["x", "zero"], ["first"], axis=1),
            node("Gather", ["lookup", "ids"], ["mapped"]),
            node("Gather", ["bias", "zero"], ["one"]),
        ],
        [value("x", FLOAT, ["B", 3]), value("ids", INT64, ["B"])],
        [
            value("batch", INT64, []),
            value("first", FLOAT, ["B"]),
            value("mapped", INT64, ["B", 2]),
            value("one", FLOAT, []),
        ],
        {"zero": np.int64(0), "lookup": np.zeros((5, 2), np.int64), "bias": table(1, 4)[0]},
    )
    findings = find(proto)
    assert (findings.lookups, findings.refused) == ((), ())


def test_a_gather_of_another_domain_is_not_ours():
    proto = model(
        [node("Gather", ["w", "ids"], ["rows"], domain="somewhere")],
        [value("ids", INT64, ["B"])],
        [value("rows", FLOAT, None)],
        {"w": table(10, 4)},
    )
    proto.opset_import.append(helper.make_opsetid("somewhere", 1))
    assert find(proto).lookups == () == find(proto).refused


def test_the_type_of_ids_may_come_from_inference_alone():
    proto = model(
        [
            node("Cast", ["x"], ["i"], to=INT32),
            node("Reshape", ["i", "flat"], ["ids"]),
            node("Gather", ["w", "ids"], ["rows"]),
        ],
        [value("x", FLOAT, ["B", 2])],
        [value("rows", FLOAT, None)],
        {"w": table(10, 4), "flat": np.array([-1])},
    )
    lookup = only(proto)
    assert (lookup.ids_dtype, lookup.ids_path[-1]) == ("int32", "Reshape Reshape:ids")
    assert_converts(proto, {"x": np.array([[1.0, 2.0]], np.float32)})
