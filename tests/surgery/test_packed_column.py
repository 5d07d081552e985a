"""Column picks of a packed ids tensor become `ids_columns`."""

import numpy as np
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
    table,
    value,
)


def packed(column=1, axis=1, shape=("B", 3), ids_type=INT64):
    return model(
        [
            node("Gather", ["cat", "k"], ["ids"], axis=axis),
            node("Gather", ["w", "ids"], ["rows"]),
        ],
        [value("cat", ids_type, shape)],
        [value("rows", FLOAT, None)],
        {"k": np.asarray(column), "w": table(10, 4)},
    )


@pytest.mark.parametrize(
    ("column", "axis", "shape", "want"),
    [
        (0, 1, ("B", 3), 0),
        (2, -1, ("B", 3), 2),
        (2, 1, ("B", "F"), 2),
        (-1, 1, ("B", 3), 2),
        (-3, -1, ("B", 3), 0),
        (1, 2, (2, 2, 3), 1),
        (1, 0, (3,), 1),
    ],
)
def test_absorbs_the_column(column, axis, shape, want):
    proto = packed(column, axis, shape)
    lookup = only(proto)
    assert lookup.rule == "gather+packed_column"
    assert (lookup.ids, lookup.ids_column) == ("cat", want)
    extents = [{"B": 5, "F": 3}.get(extent, extent) for extent in shape]
    ids = np.random.default_rng(0).integers(-10, 10, extents)
    new = assert_converts(proto, {"cat": ids})
    assert ops(new.graph) == ["HPS_TRT"]
    assert not new.graph.initializer


def test_int32():
    ids = np.array([[0, 9, -1]], np.int32)
    assert_converts(packed(ids_type=INT32), {"cat": ids})


@pytest.mark.parametrize(
    ("column", "axis", "shape"),
    [
        (1, 0, ("B", 3)),
        ([1], 1, ("B", 3)),
        (-1, 1, ("B", "F")),
        (1, 1, ("B", 3, 2)),
        (1, 1, None),
    ],
)
def test_other_picks_stay(column, axis, shape):
    lookup = only(packed(column, axis, shape))
    assert (lookup.rule, lookup.ids, lookup.ids_column) == ("gather", "ids", -1)


def test_a_computed_column_stays():
    proto = packed()
    del proto.graph.initializer[0]
    proto.graph.input.append(value("k", INT64, []))
    assert only(proto).rule == "gather"


def test_a_column_after_keras_nodes_and_a_column_of_a_column():
    proto = model(
        [
            node("Gather", ["cube", "k"], ["cat"], axis=2),
            node("Gather", ["cat", "k"], ["ids"], axis=1),
            node("Less", ["ids", "zero"], ["lt"]),
            node("Add", ["ids", "size"], ["plus"]),
            node("Where", ["lt", "plus", "ids"], ["select"]),
            node("Gather", ["w", "select"], ["rows"]),
        ],
        [value("cube", INT64, ["B", 3, 3])],
        [value("rows", FLOAT, ["B", 4])],
        {"k": np.int64(1), "zero": np.int64(0), "size": np.int64(10), "w": table(10, 4)},
    )
    lookup = only(proto)
    assert lookup.rule == "gather+keras_index+packed_column"
    assert (lookup.ids, lookup.ids_column) == ("cat", 1)
    new = assert_converts(proto, {"cube": np.random.default_rng(0).integers(-10, 10, (5, 3, 3))})
    assert ops(new.graph) == ["Gather", "HPS_TRT"]


def test_26_features_share_one_node_and_one_input():
    sizes = [3 + 7 * k for k in range(26)]
    constants = {f"embs.{k}.weight": table(size, 8, seed=k) for k, size in enumerate(sizes)}
    nodes = []
    for k in range(26):
        constants[f"k{k}"] = np.int64(k)
        nodes.append(node("Gather", ["cat", f"k{k}"], [f"ids{k}"], axis=1, name=f"/pick_{k}"))
        nodes.append(node("Gather", [f"embs.{k}.weight", f"ids{k}"], [f"rows{k}"], name=f"/e{k}"))
    nodes.append(node("Concat", [f"rows{k}" for k in range(26)], ["all"], axis=1))
    proto = model(nodes, [value("cat", INT64, ["B", 26])], [value("all", FLOAT, None)], constants)
    cat = np.stack([np.random.default_rng(k).integers(-n, n, 64) for k, n in enumerate(sizes)], 1)
    new = assert_converts(proto, {"cat": cat}, lookups=26)
    assert ops(new.graph) == ["HPS_TRT", "Concat"]
    fused = new.graph.node[0]
    assert list(fused.input) == ["cat"]
    assert list(fused.output) == [f"rows{k}" for k in range(26)]
    assert not new.graph.initializer
    assert [lookup.table for lookup in find(proto).lookups] == [f"embs_{k}" for k in range(26)]
    assert fused.name == "HPS_TRT//e0+25"
    shapes = {
        info.name: [dim.dim_param or dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in new.graph.value_info
    }
    assert shapes == {f"rows{k}": ["B", 8] for k in range(26)}
