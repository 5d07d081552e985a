"""Random graphs of lookups, written in all the ways exporters know, against the originals."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx_models import (
    BOOL,
    FLOAT,
    FLOAT16,
    INT32,
    INT64,
    assert_same,
    convert,
    find,
    model,
    node,
    run,
    table,
    value,
)
from reference_op import evaluate, expand

from hps_trt.surgery.op import OP_TYPE

FEATURES = 3


@dataclasses.dataclass
class Builder:
    """A model in the making; each method adds nodes to `nodes` and returns a tensor's name."""

    draw: object
    nodes: list
    constants: dict
    counter: int = 0

    def name(self, tag):
        self.counter += 1
        return f"{tag}_{self.counter}"

    def add(self, op, inputs, tag, **attributes):
        out = self.name(tag)
        self.nodes.append(node(op, inputs, [out], name=f"/{out}/{op}", **attributes))
        return out

    def constant(self, array, tag="const"):
        """An initializer or a Constant node."""
        if self.draw(st.booleans()):
            tensor = numpy_helper.from_array(np.asarray(array), "")
            return self.add("Constant", [], tag, value=tensor)
        name = self.name(tag)
        self.constants[name] = array
        return name

    def swapped(self, op, left, right, tag):
        inputs = [left, right] if self.draw(st.booleans()) else [right, left]
        return self.add(op, inputs, tag)


def keras(build, ids, rows, elem_type):
    dtype = np.int32 if elem_type == INT32 else np.int64
    size, zero = build.constant(dtype(rows)), build.constant(np.float32(0))
    plus = build.swapped("Add", ids, size, "plus")
    less = build.add("Less", [build.add("Cast", [ids], "float", to=FLOAT), zero], "less")
    if build.draw(st.booleans()):
        return build.add("Where", [less, plus, ids], "select")
    negative = build.swapped("Mul", build.add("Cast", [less], "lt", to=elem_type), plus, "neg")
    keep = build.add("Cast", [build.add("Not", [less], "not")], "ge", to=elem_type)
    positive = build.swapped("Mul", ids, keep, "pos")
    return build.swapped("Add", negative, positive, "select")


def look_up(build, data, ids, elem_type):
    """Rows of `data`, as a Gather or as dynamo's GatherND; returns tensor and kind."""
    if elem_type == INT64 and build.draw(st.integers(0, 3)) == 0:
        axes = build.constant(np.array([-1]))
        index = build.add("Unsqueeze", [ids, axes], "index")
        return build.add("GatherND", [data, index], "rows")
    attributes = build.draw(st.sampled_from([{}, {"axis": 0}, {"axis": -2}]))
    return build.add("Gather", [data, ids], "rows", **attributes)


@st.composite
def graphs(draw):
    """A model, its inputs, and how many lookups are in it."""
    build = Builder(draw, [], {})
    tables = {}
    for i in range(draw(st.integers(1, 4))):
        dtype = draw(st.sampled_from([np.float32, np.float16]))
        shape = draw(st.integers(2, 12)), draw(st.integers(1, 5))
        name = build.constant(table(*shape, seed=i, dtype=dtype), f"emb{i}.weight")
        tables[name] = shape, FLOAT if dtype == np.float32 else FLOAT16
    least = min(shape[0] for shape, _ in tables.values())
    both = st.sampled_from([INT32, INT64])
    types = {"cat": draw(both), "ids": draw(both)}
    ids_shape = draw(st.lists(st.integers(0, 3), max_size=3))
    shapes = {"cat": (draw(st.integers(0, 4)), FEATURES), "ids": ids_shape}
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    feeds = {
        name: rng.integers(-least, least, shape).astype(helper.tensor_dtype_to_np_dtype(kind))
        for (name, shape), kind in zip(shapes.items(), types.values(), strict=True)
    }
    feeds["flag"] = np.array(draw(st.booleans()))
    sources = [("cat", types["cat"]), ("ids", types["ids"])]
    outputs, count = [], draw(st.integers(1, 6))
    for _ in range(count):
        data = draw(st.sampled_from(sorted(tables)))
        shape, row_type = tables[data]
        if draw(st.integers(0, 3)) == 0:
            data = build.add("Identity", [data], "alias")
        source, elem_type = draw(st.sampled_from(sources))
        if source == "cat" and draw(st.booleans()):
            column = draw(st.integers(-FEATURES, FEATURES - 1))
            where = build.constant(np.int64(column))
            axis = draw(st.sampled_from([1, -1]))
            source = build.add("Gather", ["cat", where], "column", axis=axis)
        elif draw(st.integers(0, 4)) == 0:
            elem_type = INT64
            source = build.add("Cast", [source], "long", to=INT64)
        if draw(st.booleans()):
            source = keras(build, source, shape[0], elem_type)
        if draw(st.integers(0, 4)) == 0:
            rows = in_branches(build, data, source, row_type)
        else:
            rows = look_up(build, data, source, elem_type)
        outputs.append(value(rows, row_type, None))
        if draw(st.booleans()):  # later ids may come from these rows
            total = build.add("ReduceSum", [rows], "total", keepdims=0)
            number = build.add("Cast", [total], "number", to=INT64)
            modulus = build.constant(np.int64(least))
            sources.append((build.add("Mod", [number, modulus], "next"), INT64))
    inputs = [
        value("cat", types["cat"], ["B", FEATURES]),
        value("ids", types["ids"], ids_shape),
        value("flag", BOOL, []),
    ]
    proto = model(build.nodes, inputs, outputs, build.constants)
    lookups = sum(item.op_type == "If" for item in proto.graph.node) + count
    return proto, feeds, lookups


def in_branches(build, data, ids, row_type):
    """The same lookup in both branches of an If; counts as two."""
    tag = build.name("branch")

    def graph(side):
        out = f"{tag}_{side}"
        gather = node("Gather", [data, ids], [out], name=f"/{out}/Gather")
        return helper.make_graph([gather], side, [], [value(out, row_type, None)])

    return build.add("If", ["flag"], "rows", then_branch=graph("then"), else_branch=graph("else"))


@given(graphs())
@settings(max_examples=60, deadline=None)
def test_the_new_graph_gives_the_same(case):
    proto, feeds, lookups = case
    assert len(find(proto).lookups) == lookups
    assert find(proto).refused == ()
    new, tables = convert(proto)
    assert list(new.graph.output) == list(proto.graph.output)
    assert find(new).lookups == ()
    expanded = expand(new, tables)
    expected = run(proto, feeds)
    assert_same(run(expanded, feeds), expected)
    assert_same(evaluate(new, tables, feeds), expected)


@given(graphs(), st.integers(2, 12))
@settings(max_examples=30, deadline=None)
def test_a_threshold_leaves_the_rest_as_it_was(case, min_rows):
    proto, feeds, _ = case
    new, tables = convert(proto, min_rows=min_rows)
    assert all(array.shape[0] >= min_rows for array in tables.values())
    small = [lookup for lookup in find(proto).lookups if lookup.rows < min_rows]
    assert len(find(new).lookups) == len(small)
    assert_same(run(expand(new, tables), feeds), run(proto, feeds))
    if not tables:
        assert not any(item.op_type == OP_TYPE for item in new.graph.node)
