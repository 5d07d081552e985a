"""The three graphs of a split fit together by name and give the original's outputs."""

import numpy as np
import onnx
import pytest
import reference_op
from onnx_models import (
    BOOL,
    FLOAT,
    INT64,
    assert_same,
    convert,
    model,
    node,
    one_gather,
    ops,
    run,
    table,
    value,
)

from hps_trt import surgery


def recommender():
    return model(
        [
            node("Add", ["ids", "one"], ["more"]),
            node("Mod", ["more", "ten"], ["hashed"]),
            node("Gather", ["w", "hashed"], ["rows"]),
            node("Gather", ["v", "user"], ["user_rows"]),
            node("Equal", ["hashed", "one"], ["mask"]),
            node("Cast", ["mask"], ["weights"], to=FLOAT),
            node("Unsqueeze", ["weights", "last"], ["column"]),
            node("Mul", ["rows", "column"], ["kept"]),
            node("ReduceSum", ["kept", "axis"], ["pooled"], keepdims=0),
            node("Concat", ["pooled", "user_rows", "dense"], ["features"], axis=1),
            node("MatMul", ["features", "weight"], ["score"]),
        ],
        [
            value("ids", INT64, ["batch", 3]),
            value("user", INT64, ["batch"]),
            value("dense", FLOAT, ["batch", 2]),
        ],
        [value("score", FLOAT, ["batch", 1]), value("user_rows", FLOAT, ["batch", 6])],
        {
            "w": table(10, 4),
            "v": table(7, 6, 1),
            "one": np.int64(1),
            "ten": np.int64(10),
            "last": np.array([-1]),
            "axis": np.array([1]),
            "weight": table(12, 1, 2),
        },
    )


FEEDS = {
    "ids": np.array([[0, 1, 9], [5, 5, 5]]),
    "user": np.array([6, -1]),
    "dense": table(2, 2, 3),
}


def names(values):
    return [item.name for item in values]


def test_three_graphs_that_chain():
    proto = recommender()
    new, tables = convert(proto)
    parts = surgery.split(new)
    assert names(parts.before.graph.input) == ["ids"]
    assert names(parts.before.graph.output) == ["hashed"]
    assert ops(parts.before.graph) == ["Add", "Mod"]
    assert ops(parts.lookups.graph) == ["HPS_TRT"]
    assert names(parts.lookups.graph.input) == ["hashed", "user"]
    assert names(parts.lookups.graph.output) == ["rows", "user_rows"]
    assert names(parts.dense.graph.output) == ["score"]
    assert "HPS_TRT" not in ops(parts.dense.graph)
    assert names(parts.dense.graph.input) == ["ids", "dense", "rows", "user_rows"]

    known = dict(FEEDS)
    for part in (parts.before, parts.lookups, parts.dense):
        runnable = reference_op.expand(part, tables)
        feeds = {name: known[name] for name in names(part.graph.input)}
        for name, array in zip(names(part.graph.output), run(runnable, feeds), strict=True):
            known[name] = array
    assert_same([known["score"], known["user_rows"]], run(proto, FEEDS))


def test_parts_carry_only_what_they_read():
    new, _ = convert(recommender())
    parts = surgery.split(new)
    assert set(names(parts.before.graph.initializer)) == {"one", "ten"}
    assert not parts.lookups.graph.initializer
    assert set(names(parts.dense.graph.initializer)) == {"one", "ten", "last", "axis", "weight"}
    onnx.checker.check_model(parts.before, full_check=True)
    onnx.checker.check_model(parts.dense, full_check=True)


def test_interfaces_have_types_and_dynamic_extents():
    parts = surgery.split(convert(recommender())[0])
    kinds = {}
    for part in (parts.before, parts.lookups, parts.dense):
        for item in [*part.graph.input, *part.graph.output]:
            tensor = item.type.tensor_type
            extents = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
            assert kinds.setdefault(item.name, (tensor.elem_type, extents)) == (
                tensor.elem_type,
                extents,
            )
    assert kinds["hashed"] == (INT64, ["batch", 3])
    assert kinds["rows"] == (FLOAT, ["batch", 3, 4])
    assert kinds["user_rows"] == (FLOAT, ["batch", 6])
    assert kinds["score"] == (FLOAT, ["batch", 1])


def test_ids_that_are_inputs_need_no_graph_before():
    parts = surgery.split(convert(one_gather())[0])
    assert not parts.before.graph.node
    assert not parts.before.graph.output
    assert names(parts.lookups.graph.input) == ["ids"]
    assert names(parts.lookups.graph.output) == ["rows"]
    assert not parts.dense.graph.output


def test_a_model_without_lookups_is_refused():
    with pytest.raises(surgery.SurgeryError, match="no HPS_TRT node"):
        surgery.split(one_gather())


def test_lookups_that_depend_on_each_other_are_refused():
    proto = model(
        [
            node("Gather", ["w", "ids"], ["rows"]),
            node("ArgMax", ["rows"], ["next"], axis=1, keepdims=0),
            node("Gather", ["w", "next"], ["more"]),
        ],
        [value("ids", INT64, ["B"])],
        [value("more", FLOAT, ["B", 4])],
        {"w": table(10, 4)},
    )
    with pytest.raises(surgery.SurgeryError, match="depend on rows of 'HPS_TRT/Gather:rows'"):
        surgery.split(convert(proto)[0])


def test_lookups_in_subgraphs_are_refused():
    body = onnx.helper.make_graph(
        [node("Gather", ["w", "ids"], ["rows"])], "b", [], [value("rows", FLOAT, None)]
    )
    proto = model(
        [node("If", ["flag"], ["out"], name="/if", then_branch=body, else_branch=body)],
        [value("flag", BOOL, []), value("ids", INT64, ["B"])],
        [value("out", FLOAT, None)],
        {"w": table(10, 4)},
    )
    with pytest.raises(surgery.SurgeryError, match=r"subgraph '/if\."):
        surgery.split(convert(proto)[0])
