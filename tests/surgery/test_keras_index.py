"""Keras' nine index nodes are stripped, and only they."""

import itertools

import numpy as np
import pytest
import reference_op
from onnx_models import (
    BOOL,
    FLOAT,
    INT32,
    INT64,
    assert_converts,
    convert,
    model,
    node,
    only,
    ops,
    run,
    table,
    value,
)


def keras(rows=10, constant=10, ids_type=INT64, order=(0, 0, 0, 0), zero=0.0):
    """The cluster as tf2onnx writes it; `order` swaps the operands of its commutative nodes."""

    def binary(op, left, right, out, swap):
        return node(op, [right, left] if swap else [left, right], [out])

    dtype = np.int32 if ids_type == INT32 else np.int64
    return model(
        [
            binary("Add", "ids", "size", "plus", order[0]),
            node("Cast", ["ids"], ["float"], to=FLOAT),
            node("Less", ["float", "zero"], ["lt"]),
            node("Not", ["lt"], ["ge"]),
            node("Cast", ["lt"], ["lt_int"], to=ids_type),
            binary("Mul", "lt_int", "plus", "negative", order[1]),
            node("Cast", ["ge"], ["ge_int"], to=ids_type),
            binary("Mul", "ids", "ge_int", "positive", order[2]),
            binary("Add", "negative", "positive", "select", order[3]),
            node("Gather", ["w", "select"], ["rows"], axis=0),
        ],
        [value("ids", ids_type, ["B", 2])],
        [value("rows", FLOAT, ["B", 2, 4])],
        {"size": dtype(constant), "zero": np.float32(zero), "w": table(rows, 4)},
    )


@pytest.mark.parametrize("ids_type", [INT32, INT64])
@pytest.mark.parametrize("order", list(itertools.product((0, 1), repeat=4)))
def test_the_cluster_in_any_operand_order(ids_type, order):
    proto = keras(ids_type=ids_type, order=order)
    lookup = only(proto)
    assert (lookup.rule, lookup.ids) == ("gather+keras_index", "ids")
    assert len(lookup.nodes) == 10
    dtype = np.int32 if ids_type == INT32 else np.int64
    ids = np.array([[0, 9], [-1, -10], [5, -5]], dtype=dtype)
    new = assert_converts(proto, {"ids": ids})
    assert ops(new.graph) == ["HPS_TRT"]
    assert not new.graph.initializer


def test_the_where_form():
    proto = model(
        [
            node("Less", ["ids", "zero"], ["lt"]),
            node("Add", ["ids", "size"], ["plus"]),
            node("Where", ["lt", "plus", "ids"], ["select"]),
            node("Gather", ["w", "select"], ["rows"]),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("rows", FLOAT, ["B", 2, 4])],
        {"size": np.int64(10), "zero": np.int64(0), "w": table(10, 4)},
    )
    assert only(proto).rule == "gather+keras_index"
    new = assert_converts(proto, {"ids": np.array([[0, -10], [9, -1]])})
    assert ops(new.graph) == ["HPS_TRT"]


def test_ids_that_the_original_wraps_twice_are_a_listed_difference():
    proto = keras()
    assert "-20..-11" in only(proto).differences[1]
    ids = {"ids": np.array([[-11, -20]])}
    (original,) = run(proto, ids)
    assert original[0, 0].tobytes() == table(10, 4)[9].tobytes()
    new, tables = convert(proto)
    (rows,) = reference_op.evaluate(new, tables, ids)
    assert not rows.any()


def test_another_constant_stays():
    proto = keras(constant=9)
    assert only(proto).rule == "gather"
    new = assert_converts(proto, {"ids": np.array([[0, 8], [-1, -9]])})
    assert len(ops(new.graph)) == 10


def test_another_threshold_stays():
    assert only(keras(zero=1.0)).rule == "gather"


@pytest.mark.parametrize("broken", ["lt_int", "ge_int", "negative", "positive"])
def test_a_cluster_with_one_different_node_stays(broken):
    proto = keras()
    for item in proto.graph.node:
        if broken == item.output[0]:
            if item.op_type == "Cast":
                other = "ge" if item.input[0] == "lt" else "lt"
                item.input[0] = other
            else:
                item.op_type = "Add"
    assert only(proto).rule == "gather"


def test_a_flag_of_another_tensor_stays():
    proto = keras()
    proto.graph.input.append(value("others", INT64, ["B", 2]))
    proto.graph.node[1].input[0] = "others"
    assert only(proto).rule == "gather"


def test_a_flag_that_the_graph_returns_stays_computed():
    proto = keras()
    proto.graph.output.append(value("lt", BOOL, ["B", 2]))
    new = assert_converts(proto, {"ids": np.array([[0, -10], [9, -1]])})
    assert sorted(ops(new.graph)) == ["Cast", "HPS_TRT", "Less"]
    assert [tensor.name for tensor in new.graph.initializer] == ["zero"]
