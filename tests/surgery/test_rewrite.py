"""What the new graph looks like: merged nodes, order, names, and what is left of the old one."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_models import (
    BINDING,
    FLOAT,
    INT32,
    INT64,
    assert_converts,
    assert_same,
    convert,
    find,
    model,
    node,
    one_gather,
    ops,
    read_tables,
    run,
    table,
    value,
)
from reference_op import evaluate, expand

from hps_trt import surgery
from hps_trt.surgery.op import LookupAttributes

IDS = np.array([0, 9, -1])


def fused(proto):
    return [LookupAttributes.from_node(n) for n in proto.graph.node if n.op_type == "HPS_TRT"]


def chain():
    """Two levels: the ids of `late` come from rows of `early`; `side` depends on neither."""
    return model(
        [
            node("Gather", ["w", "ids"], ["early"], name="/early"),
            node("ReduceSum", ["early"], ["total"], keepdims=0),
            node("Cast", ["total"], ["number"], to=INT64),
            node("Mod", ["number", "ten"], ["next"]),
            node("Gather", ["w", "next"], ["late"], name="/late"),
            node("Gather", ["v", "ids"], ["side"], name="/side"),
            node("Add", ["early", "late"], ["sum"]),
        ],
        [value("ids", INT64, ["B"])],
        [value("sum", FLOAT, ["B", 4]), value("side", FLOAT, ["B", 6])],
        {"w": table(10, 4), "v": table(10, 6, 1), "ten": np.int64(10)},
    )


def test_dependent_lookups_are_in_different_nodes():
    new = assert_converts(chain(), {"ids": IDS}, lookups=3)
    assert ops(new.graph) == ["HPS_TRT", "ReduceSum", "Cast", "Mod", "HPS_TRT", "Add"]
    first, second = fused(new)
    assert [(spec.table, spec.dim, spec.output) for spec in first.lookups] == [
        ("w", 4, 0),
        ("v", 6, 1),
    ]
    assert [spec.table for spec in second.lookups] == ["w"]


def test_a_level_waits_for_the_last_of_its_ids():
    """One merged node; nodes between the lookups and their readers move behind it, in order."""
    proto = model(
        [
            node("Gather", ["w", "ids"], ["a"]),
            node("Relu", ["a"], ["relu"]),
            node("Add", ["ids", "one"], ["more"]),
            node("Mod", ["more", "ten"], ["other"]),
            node("Gather", ["w", "other"], ["b"]),
            node("Add", ["relu", "b"], ["sum"]),
        ],
        [value("ids", INT64, ["B"])],
        [value("sum", FLOAT, ["B", 4])],
        {"w": table(10, 4), "one": np.int64(1), "ten": np.int64(10)},
    )
    new = assert_converts(proto, {"ids": IDS}, lookups=2)
    assert ops(new.graph) == ["Add", "Mod", "HPS_TRT", "Relu", "Add"]


def test_nodes_that_are_not_sorted_are_sorted():
    proto = chain()
    nodes = list(proto.graph.node)
    shuffled = [nodes[i] for i in (6, 4, 3, 0, 2, 5, 1)]
    sorted_ = chain()
    del proto.graph.node[:]
    proto.graph.node.extend(shuffled)
    new, tables = convert(proto)
    assert_same(evaluate(new, tables, {"ids": IDS}), run(sorted_, {"ids": IDS}))


def test_a_circle_is_an_error():
    proto = chain()
    proto.graph.node[3].input[0] = "sum"
    with pytest.raises(surgery.SurgeryError, match="circle"):
        convert(proto)


def test_the_node_says_where_it_came_from():
    new, _ = convert(chain())
    first, second = (item for item in new.graph.node if item.op_type == "HPS_TRT")
    assert (first.name, second.name) == ("HPS_TRT//early+1", "HPS_TRT//late")
    assert first.domain == "hps_trt"
    notes = [json.loads(entry.value) for entry in first.metadata_props]
    assert notes == [
        {"table": "w", "initializer": "w", "nodes": ["/early"]},
        {"table": "v", "initializer": "v", "nodes": ["/side"]},
    ]


def test_the_node_carries_the_binding():
    new, _ = convert(chain())
    for attributes in fused(new):
        assert attributes.config_file == BINDING.config_file
        assert attributes.bundle_id == BINDING.bundle_id
        assert attributes.model_name == BINDING.model_name
        assert not attributes.unresolved_output


def test_inputs_of_both_types_and_several_columns_of_one():
    proto = model(
        [
            node("Gather", ["cat", "k1"], ["i1"], axis=1),
            node("Gather", ["cat", "k0"], ["i0"], axis=1),
            node("Gather", ["w", "i1"], ["a"]),
            node("Gather", ["v", "wide"], ["b"]),
            node("Gather", ["w", "i0"], ["c"]),
        ],
        [value("cat", INT32, ["B", 2]), value("wide", INT64, ["B", "H"])],
        [
            value("a", FLOAT, ["B", 4]),
            value("b", FLOAT, ["B", "H", 6]),
            value("c", FLOAT, ["B", 4]),
        ],
        {"w": table(10, 4), "v": table(9, 6), "k0": np.int64(0), "k1": np.int64(1)},
    )
    feeds = {"cat": np.array([[1, 2], [3, -4]], np.int32), "wide": np.array([[1, 2, 8]])}
    new = assert_converts(proto, feeds, lookups=3)
    (attributes,) = fused(new)
    assert attributes.input_types == (INT32, INT64)
    assert [(s.ids_input, s.ids_column) for s in attributes.lookups] == [(0, 1), (1, -1), (0, 0)]
    (item,) = new.graph.node
    assert list(item.input) == ["cat", "wide"]
    assert list(item.output) == ["a", "b", "c"]


def shapes(proto):
    return {
        info.name: [
            dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else None)
            for dim in info.type.tensor_type.shape.dim
        ]
        for info in proto.graph.value_info
    }


def test_value_info_of_every_row_output():
    proto = model(
        [
            node("Gather", ["w", "ids"], ["rows"]),
            node("Reshape", ["ids", "flat"], ["line"]),
            node("Gather", ["w", "line"], ["more"]),
            node("ReduceSum", ["rows"], ["x"], keepdims=0),
            node("ReduceSum", ["more"], ["y"], keepdims=0),
        ],
        [value("ids", INT64, ["B", 3])],
        [value("x", FLOAT, []), value("y", FLOAT, [])],
        {"w": table(10, 4), "flat": np.array([-1])},
        value_info=[value("rows", FLOAT, ["B", 3, 4]), value("line", INT64, None)],
    )
    new, _ = convert(proto)
    assert shapes(new) == {"line": [], "rows": ["B", 3, 4], "more": [None, 4]}


def test_what_only_the_lookups_needed_is_gone_and_nothing_else():
    proto = model(
        [
            node("Constant", [], ["k"], value_int=1),
            node("Constant", [], ["unused"], value_int=2),
            node("Shape", ["ids"], ["dead"]),
            node("Gather", ["ids", "k"], ["one"], axis=1),
            node("Gather", ["w", "one"], ["rows"]),
        ],
        [value("ids", INT64, ["B", 3])],
        [value("rows", FLOAT, ["B", 4])],
        {"w": table(10, 4), "spare": table(2, 2)},
        value_info=[value("one", INT64, ["B"]), value("dead", INT64, [2])],
    )
    new = assert_converts(proto, {"ids": np.array([[1, 2, 3]])})
    assert ops(new.graph) == ["Constant", "Shape", "HPS_TRT"]
    assert new.graph.node[0].output[0] == "unused"
    assert [tensor.name for tensor in new.graph.initializer] == ["spare"]
    assert list(shapes(new)) == ["dead"]


def test_an_index_that_the_graph_returns_stays():
    proto = model(
        [node("Gather", ["ids", "k"], ["one"], axis=1), node("Gather", ["w", "one"], ["rows"])],
        [value("ids", INT64, ["B", 3])],
        [value("rows", FLOAT, ["B", 4]), value("one", INT64, ["B"])],
        {"w": table(10, 4), "k": np.int64(2)},
    )
    new = assert_converts(proto, {"ids": np.array([[1, 2, 3]])})
    assert sorted(ops(new.graph)) == ["Gather", "HPS_TRT"]


def test_everything_else_of_the_model_is_kept():
    proto = one_gather()
    proto.doc_string, proto.producer_name, proto.model_version = "doc", "maker", 7
    proto.graph.doc_string = "graph doc"
    helper.set_model_props(proto, {"key": "text"})
    entry = proto.graph.metadata_props.add()
    entry.key, entry.value = "graph key", "graph text"
    new, _ = convert(proto)
    expected = onnx.ModelProto()
    expected.CopyFrom(proto)
    expected.opset_import.append(helper.make_opsetid("hps_trt", 1))
    del expected.graph.initializer[:]
    del expected.graph.node[:]
    expected.graph.node.extend(new.graph.node)
    assert new == expected


@pytest.mark.parametrize(("before", "after"), [(8, 8), (10, 10), (13, 10)])
def test_ir_version(before, after):
    proto = one_gather()
    proto.ir_version = before
    new, _ = convert(proto)
    assert new.ir_version == after


def test_converting_again_changes_nothing():
    new, _ = convert(chain())
    again, tables = convert(new)
    assert again == new
    assert not tables


def test_a_second_round_adds_nodes_beside_the_first():
    proto = chain()
    loaded = surgery.load(proto)
    plan = surgery.make_plan(surgery.find(loaded))
    part = surgery.Plan(plan.fingerprint, plan.entries[1:2])
    once = surgery.apply(loaded, part, BINDING)
    first = read_tables(surgery.table_sources(loaded, part))
    twice, second = convert(once)
    assert ops(twice.graph).count("HPS_TRT") == 2
    assert len({item.name for item in twice.graph.node if item.op_type == "HPS_TRT"}) == 2
    tables = first | second
    assert_same(run(expand(twice, tables), {"ids": IDS}), run(proto, {"ids": IDS}))


def test_version_1_nodes_are_left_alone():
    proto = one_gather()
    old = node(
        "HPS_TRT",
        ["ids"],
        ["old"],
        ps_config_file="ps.json\0",
        model_name="m\0",
        table_id=0,
        emb_vec_size=4,
        plugin_version="1",
    )
    proto.graph.node.insert(0, old)
    proto.graph.output.append(value("old", FLOAT, ["B", 2, 4]))
    new, _ = convert(proto)
    assert new.graph.node[0] == old
    assert ops(new.graph) == ["HPS_TRT", "HPS_TRT"]
    assert find(new).lookups == ()


def test_a_shared_table_is_streamed_once_and_read_by_both():
    proto = model(
        [node("Gather", ["w", "a"], ["x"]), node("Gather", ["w", "b"], ["y"])],
        [value("a", INT64, ["B"]), value("b", INT32, ["B", 2])],
        [value("x", FLOAT, ["B", 4]), value("y", FLOAT, ["B", 2, 4])],
        {"w": table(10, 4)},
    )
    new = assert_converts(proto, {"a": IDS, "b": np.array([[1, -1]], np.int32)}, lookups=2)
    (attributes,) = fused(new)
    assert [spec.table for spec in attributes.lookups] == ["w", "w"]


def test_onnx_checker_accepts_the_rest_of_the_graph():
    new, tables = convert(chain())
    onnx.checker.check_model(expand(new, tables), full_check=True)
