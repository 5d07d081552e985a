"""The rule of one_hot(ids) @ table, in both exporters' spellings."""

import numpy as np
import onnx
import pytest
from onnx_models import (
    FLOAT,
    INT32,
    INT64,
    assert_converts,
    find,
    model,
    node,
    only,
    ops,
    refusal,
    table,
    value,
)

from hps_trt import surgery


def one_hot(depth=10, values=(0, 1), axis=-1, ids_type=INT64, data=None):
    return model(
        [
            node("OneHot", ["ids", "depth", "values"], ["hot"], axis=axis),
            node("Cast", ["hot"], ["float"], to=FLOAT),
            node("MatMul", ["float", "w"], ["rows"]),
        ],
        [value("ids", ids_type, ["B", 2])],
        [value("rows", FLOAT, None)],
        {
            "depth": np.array([depth]),
            "values": np.array(values),
            "w": table(10, 4) if data is None else data,
        },
    )


def equal(numbers=None, swapped=False):
    operands = ["numbers", "index"] if swapped else ["index", "numbers"]
    return model(
        [
            node("Unsqueeze", ["ids", "axes"], ["index"]),
            node("Equal", operands, ["same"]),
            node("Cast", ["same"], ["hot"], to=INT64),
            node("Cast", ["hot"], ["float"], to=FLOAT),
            node("MatMul", ["float", "w"], ["rows"]),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("rows", FLOAT, None)],
        {
            "axes": np.array([-1]),
            "numbers": np.arange(10) if numbers is None else numbers,
            "w": table(10, 4),
        },
    )


def test_legacy_form_wraps_negative_ids_and_gives_zeros_outside():
    proto = one_hot()
    lookup = only(proto)
    assert (lookup.rule, lookup.index_mode, lookup.ids) == ("one_hot_matmul", "onnx", "ids")
    assert lookup.nodes == ("MatMul:rows", "Cast:float", "OneHot:hot")
    ids = np.array([[0, 9], [-1, -10], [10, -11], [2**40, -(2**40)]], dtype=np.int64)
    new = assert_converts(proto, {"ids": ids})
    assert ops(new.graph) == ["HPS_TRT"]
    assert not new.graph.initializer


def test_dynamo_form_takes_no_negative_ids():
    for proto in (equal(), equal(swapped=True)):
        assert only(proto).index_mode == "key"
        ids = np.array([[0, 9], [-1, -10], [10, -11]], dtype=np.int64)
        new = assert_converts(proto, {"ids": ids})
        assert ops(new.graph) == ["HPS_TRT"]
        assert not new.graph.initializer


def test_int32_ids():
    assert only(one_hot(ids_type=INT32)).ids_dtype == "int32"


def test_differences_are_listed():
    text = " ".join(only(one_hot()).differences)
    assert "NaN" in text
    assert "-0.0" in text
    assert "default vector" in text


@pytest.mark.parametrize(("ids_type", "dtype"), [(INT32, np.int32), (INT64, np.int64)])
def test_a_one_hot_of_floats_without_cast(ids_type, dtype):
    proto = model(
        [
            node("OneHot", ["ids", "depth", "values"], ["hot"]),
            node("MatMul", ["hot", "w"], ["rows"]),
        ],
        [value("ids", ids_type, ["B"])],
        [value("rows", FLOAT, None)],
        {
            "depth": dtype(10),
            "values": np.array([0, 1], np.float32),
            "w": table(10, 4),
        },
    )
    assert_converts(proto, {"ids": np.array([1, 2, -3], dtype)})


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (one_hot(depth=9, data=table(9, 4)[:9]), None),
        (one_hot(values=(0, 2)), "values are [0, 2]"),
        (one_hot(values=(1, 0)), "values are [1, 0]"),
        (one_hot(axis=0), "axis is 0"),
        (one_hot(ids_type=FLOAT), "type of the ids 'ids' is FLOAT"),
        (one_hot(depth=8), "8"),
        (equal(np.arange(10)[::-1].copy()), "other numbers than 0..9"),
        (equal(np.arange(1, 11)), "other numbers"),
    ],
)
def test_refuses(proto, reason):
    if reason is None:
        assert only(proto).rows == 9
    else:
        assert reason in refusal(proto).reason


def test_refuses_a_depth_that_the_graph_computes():
    proto = one_hot()
    proto.graph.node.insert(0, node("ReduceMax", ["ids"], ["depth"], keepdims=0))
    del proto.graph.initializer[0]
    assert "computed in the graph" in refusal(proto).reason


def test_is_silent_about_other_matmuls():
    proto = model(
        [
            node("Equal", ["ids", "three"], ["same"]),
            node("Cast", ["same"], ["mask"], to=FLOAT),
            node("MatMul", ["mask", "w"], ["masked"]),
            node("MatMul", ["x", "w"], ["y"]),
        ],
        [value("ids", INT64, ["B", 10]), value("x", FLOAT, ["B", 10])],
        [value("masked", FLOAT, None), value("y", FLOAT, None)],
        {"three": np.int64(3), "w": table(10, 4)},
    )
    findings = find(proto)
    assert (findings.lookups, findings.refused) == ((), ())


def test_the_arange_may_be_external(tmp_path):
    path = tmp_path / "model.onnx"
    proto = equal(np.arange(10))
    onnx.save_model(
        proto, path, save_as_external_data=True, location="model.data", size_threshold=0
    )
    (lookup,) = surgery.find(surgery.load(path)).lookups
    assert lookup.rule == "one_hot_matmul"
