"""The rule of `table[ids]` as torch's dynamo exporter writes it."""

import numpy as np
import pytest
from onnx_models import (
    FLOAT,
    INT64,
    assert_converts,
    model,
    node,
    only,
    ops,
    refusal,
    table,
    value,
)

IDS = {"ids": np.array([[0, 9], [3, 3], [-1, -10]], dtype=np.int64)}


def gather_nd(axes=(-1,), rank=2, **attributes):
    return model(
        [
            node("Unsqueeze", ["ids", "axes"], ["index"]),
            node("GatherND", ["val_0", "index"], ["rows"], **attributes),
        ],
        [value("ids", INT64, [None] * rank)],
        [value("rows", FLOAT, None)],
        {"val_0": table(10, 4), "axes": np.array(axes)},
    )


@pytest.mark.parametrize("axes", [(-1,), (2,)])
@pytest.mark.parametrize("attributes", [{}, {"batch_dims": 0}])
def test_strips_the_unsqueeze(axes, attributes):
    proto = gather_nd(axes, **attributes)
    lookup = only(proto)
    assert (lookup.rule, lookup.ids, lookup.index_mode) == ("gather_nd", "ids", "onnx")
    assert lookup.nodes == ("GatherND:rows", "Unsqueeze:index")
    new = assert_converts(proto, IDS)
    assert ops(new.graph) == ["HPS_TRT"]
    assert not new.graph.initializer


def test_axes_as_an_attribute_of_old_opsets():
    proto = model(
        [
            node("Unsqueeze", ["ids"], ["index"], axes=[-1]),
            node("GatherND", ["w", "index"], ["rows"]),
        ],
        [value("ids", INT64, ["B", 2])],
        [value("rows", FLOAT, None)],
        {"w": table(10, 4)},
        opset=12,
    )
    assert only(proto).ids == "ids"


def test_an_unsqueeze_that_others_need_stays():
    proto = gather_nd()
    proto.graph.node.append(node("Shape", ["index"], ["shape"]))
    proto.graph.output.append(value("shape", INT64, [3]))
    new = assert_converts(proto, IDS)
    assert sorted(ops(new.graph)) == ["HPS_TRT", "Shape", "Unsqueeze"]


@pytest.mark.parametrize("axes", [(0,), (1,)])
def test_refuses_another_axis(axes):
    assert "Unsqueeze of the last axis" in refusal(gather_nd(axes)).reason


def test_refuses_batch_dims():
    proto = model(
        [
            node("Unsqueeze", ["ids", "axes"], ["index"]),
            node("GatherND", ["w", "index"], ["rows"], batch_dims=1),
        ],
        [value("ids", INT64, [10])],
        [value("rows", FLOAT, [10])],
        {"w": table(10, 4), "axes": np.array([-1])},
    )
    assert "batch_dims" in refusal(proto).reason


def test_refuses_index_tuples_that_pick_elements():
    proto = model(
        [node("GatherND", ["w", "index"], ["rows"])],
        [value("index", INT64, ["B", 2])],
        [value("rows", FLOAT, ["B"])],
        {"w": table(10, 4)},
    )
    assert "more than one element" in refusal(proto).reason


def test_refuses_constant_ids():
    proto = model(
        [node("GatherND", ["w", "index"], ["rows"])],
        [value("x", FLOAT, [1])],
        [value("rows", FLOAT, [1, 4])],
        {"w": table(10, 4), "index": np.array([[1]])},
    )
    assert "constant" in refusal(proto).reason
