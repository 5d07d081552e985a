"""Lookups inside If, Loop and Scan, with tables from outer scopes and their own."""

import numpy as np
import reference_op
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_models import (
    BOOL,
    FLOAT,
    INT64,
    assert_converts,
    assert_same,
    convert,
    find,
    model,
    node,
    only,
    ops,
    refusal,
    table,
    value,
)


def branches(then_nodes, else_nodes, then_constants=None, else_constants=None):
    """If(flag) whose branches make `rows` out of `ids`."""

    def graph(name, nodes, constants):
        tensors = [numpy_helper.from_array(a, n) for n, a in (constants or {}).items()]
        return helper.make_graph(nodes, name, [], [value("rows", FLOAT, None)], tensors)

    return node(
        "If",
        ["flag"],
        ["out"],
        name="/if",
        then_branch=graph("then", then_nodes, then_constants),
        else_branch=graph("else", else_nodes, else_constants),
    )


def if_model(*args, constants=None, extra=(), outputs=()):
    return model(
        [*extra, branches(*args)],
        [value("flag", BOOL, []), value("ids", INT64, ["B"])],
        [value("out", FLOAT, None), *outputs],
        {"w": table(10, 4)} if constants is None else constants,
    )


GATHER = node("Gather", ["w", "ids"], ["rows"], name="g")
FEEDS = [{"flag": np.array(flag), "ids": np.array([0, 9, -1])} for flag in (True, False)]


def sub(proto, branch=0):
    (holder,) = (item for item in proto.graph.node if item.op_type in ("If", "Loop", "Scan"))
    return [attr.g for attr in holder.attribute if attr.HasField("g")][branch]


def test_both_branches_read_one_outer_table():
    proto = if_model([GATHER], [GATHER])
    findings = find(proto)
    assert {lookup.scope for lookup in findings.lookups} == {
        "/if.then_branch",
        "/if.else_branch",
    }
    assert len({lookup.name for lookup in findings.lookups}) == 2
    assert {lookup.table for lookup in findings.lookups} == {"w"}
    for feeds in FEEDS:
        new = assert_converts(proto, feeds, lookups=2)
    assert not new.graph.initializer
    assert ops(sub(new, 0)) == ops(sub(new, 1)) == ["HPS_TRT"]


def test_an_outer_table_that_a_branch_still_reads_stays():
    matmul = [
        node("Gather", ["w", "ids"], ["some"]),
        node("MatMul", ["some", "wide"], ["rows"]),
    ]
    other = [node("Gather", ["w", "ids"], ["picked"]), node("Add", ["picked", "first"], ["rows"])]
    slice_ = node("Gather", ["w", "zero"], ["first"])
    constants = {"w": table(10, 4), "wide": table(4, 4, 1), "zero": np.int64(0)}
    proto = if_model(matmul, other, constants=constants, extra=[slice_])
    findings = find(proto)
    assert len(findings.lookups) == 2
    assert [refused.node for refused in findings.refused] == ["Gather:first"]
    new = assert_converts(proto, FEEDS[0], lookups=2)
    assert {tensor.name for tensor in new.graph.initializer} == {"w", "wide", "zero"}


def test_branches_with_equally_named_tables_of_their_own():
    left, right = {"w": table(10, 4, 1)}, {"w": table(12, 4, 2)}
    proto = if_model([GATHER], [GATHER], left, right, constants={})
    lookups = find(proto).lookups
    assert len({lookup.table for lookup in lookups}) == 2
    assert {lookup.initializer for lookup in lookups} == {
        "/if.then_branch::w",
        "/if.else_branch::w",
    }
    for feeds in FEEDS:
        new = assert_converts(proto, feeds, lookups=2)
    assert not sub(new, 0).initializer
    assert not sub(new, 1).initializer


def test_a_lookup_in_a_branch_depends_on_one_outside():
    outer = [
        node("Gather", ["w", "ids"], ["first"]),
        node("ReduceSum", ["first"], ["total"], keepdims=0),
        node("Cast", ["total"], ["index"], to=INT64),
        node("Mod", ["index", "ten"], ["next"]),
    ]
    inner = [node("Gather", ["w", "next"], ["rows"])]
    constants = {"w": table(10, 4), "ten": np.int64(10)}
    proto = if_model(inner, inner, constants=constants, extra=outer)
    new = assert_converts(proto, FEEDS[0], lookups=3)
    assert ops(new.graph) == ["HPS_TRT", "ReduceSum", "Cast", "Mod", "If"]


def test_a_node_after_an_if_that_reads_rows_comes_after_both():
    """The new node moves behind the ids that the If makes, and everything else stays sorted."""
    proto = model(
        [
            node("Gather", ["w", "ids"], ["early"]),
            branches([GATHER], [GATHER]),
            node("ReduceSum", ["out"], ["total"], keepdims=0),
            node("Cast", ["total"], ["number"], to=INT64),
            node("Mod", ["number", "ten"], ["next"]),
            node("Gather", ["w", "next"], ["late"]),
            node("Add", ["early", "late"], ["sum"]),
        ],
        [value("flag", BOOL, []), value("ids", INT64, ["B"])],
        [value("sum", FLOAT, None)],
        {"w": table(10, 4), "ten": np.int64(10)},
    )
    new = assert_converts(proto, FEEDS[1], lookups=4)
    assert ops(new.graph).count("HPS_TRT") == 1


def bag(extra_output=False):
    """torch's legacy EmbeddingBag: a Loop over bags that slices the ids."""
    body = helper.make_graph(
        [
            node("Gather", ["starts", "i"], ["s0"], axis=0),
            node("Unsqueeze", ["s0", "axis0"], ["s"]),
            node("Gather", ["ends", "i"], ["e0"], axis=0),
            node("Unsqueeze", ["e0", "axis0"], ["e"]),
            node("Slice", ["ids", "s", "e", "axis0"], ["bag_ids"]),
            node("Gather", ["w", "bag_ids"], ["rows"], axis=0),
            node("ReduceSum", ["rows", "axis0"], ["sum"], keepdims=0),
            node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [value("i", INT64, []), value("go", BOOL, [])],
        [value("go_on", BOOL, []), value("sum", FLOAT, None)],
    )
    return model(
        [node("Loop", ["trips", ""], ["bags"], body=body, name="/bag/Loop")],
        [value("ids", INT64, ["L"]), value("starts", INT64, ["B"]), value("ends", INT64, ["B"])],
        [value("bags", FLOAT, None)],
        {"w": table(10, 4), "trips": np.int64(2), "axis0": np.array([0])},
    )


def test_the_loop_of_an_embedding_bag():
    proto = bag()
    lookup = only(proto)
    assert (lookup.scope, lookup.ids) == ("/bag/Loop.body", "bag_ids")
    assert lookup.ids_path == ("input ids", "Slice Slice:bag_ids")
    feeds = {
        "ids": np.array([1, 2, 3, -1, 0]),
        "starts": np.array([0, 2]),
        "ends": np.array([2, 5]),
    }
    new = assert_converts(proto, feeds)
    assert "w" not in {tensor.name for tensor in new.graph.initializer}
    assert ops(sub(new)).count("HPS_TRT") == 1


def test_two_nodes_of_one_name_are_two_scopes():
    """Node names need not be unique; what only one of the two reads must not count for both."""
    second = branches([GATHER], [GATHER], {"w": table(12, 4, 5)}, {"w": table(13, 4, 6)})
    second.output[0] = "out2"
    own = {"w": table(10, 4, 3)}, {"w": table(11, 4, 4)}
    proto = if_model([GATHER], [GATHER], *own, constants={})
    proto.graph.node.append(second)
    proto.graph.output.append(value("out2", FLOAT, None))
    assert sorted(lookup.rows for lookup in find(proto).lookups) == [10, 11, 12, 13]
    new, tables = convert(proto)  # ONNX Runtime refuses equal node names; onnx.reference does not
    for feeds in FEEDS:
        expected = ReferenceEvaluator(proto).run(None, feeds)
        assert_same(reference_op.evaluate(new, tables, feeds), expected)


def test_a_scan():
    body = helper.make_graph(
        [
            node("Gather", ["w", "step"], ["row"]),
            node("Add", ["state", "row"], ["next"]),
            node("Identity", ["next"], ["seen"]),
        ],
        "body",
        [value("state", FLOAT, [4]), value("step", INT64, [])],
        [value("next", FLOAT, [4]), value("seen", FLOAT, [4])],
    )
    proto = model(
        [node("Scan", ["start", "ids"], ["end", "all"], body=body, num_scan_inputs=1)],
        [value("start", FLOAT, [4]), value("ids", INT64, [5])],
        [value("end", FLOAT, [4]), value("all", FLOAT, [5, 4])],
        {"w": table(10, 4)},
    )
    assert only(proto).ids_path == ("input step of Scan:end.body",)
    feeds = {"start": np.zeros(4, np.float32), "ids": np.array([3, 1, -1, 0, 9])}
    assert_converts(proto, feeds)


def test_rows_that_are_the_output_of_a_branch_without_a_type():
    proto = if_model([GATHER], [GATHER])
    for branch in (0, 1):
        sub(proto, branch).output[0].ClearField("type")
    new = assert_converts(proto, FEEDS[0], lookups=2)
    assert sub(new).output[0].type.tensor_type.elem_type == FLOAT


def function_model(body, constants, call):
    proto = model(
        [node("Embed", call, ["rows"], domain="local", name="call")],
        [value("ids", INT64, ["B"])],
        [value("rows", FLOAT, None)],
        constants,
    )
    proto.opset_import.append(helper.make_opsetid("local", 1))
    inputs = ["table", "index"][2 - len(call) :]
    opsets = [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("local", "Embed", inputs, ["out"], body, opsets))
    return proto


def test_a_lookup_in_a_local_function_is_refused():
    body = [node("Gather", ["table", "index"], ["out"])]
    refused = refusal(function_model(body, {"w": table(10, 4)}, ["w", "ids"]))
    assert (refused.node, refused.op, refused.initializer) == ("call", "local::Embed", "w")
    assert "'Embed'" in refused.reason
    assert "inline" in refused.reason


def test_a_table_inside_a_local_function_is_refused():
    rows = numpy_helper.from_array(table(10, 4), "")
    body = [
        node("Constant", [], ["table"], value=rows),
        node("Gather", ["table", "index"], ["out"]),
    ]
    assert refusal(function_model(body, {}, ["ids"])).initializer is None


def test_other_local_functions_are_passed_over():
    body = [node("Gather", ["table", "index"], ["out"])]
    proto = function_model(body, {"w": np.arange(10)}, ["w", "ids"])
    assert find(proto).refused == ()
