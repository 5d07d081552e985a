"""HPS_TRT nodes written and read back, and every rule that attributes must keep."""

import dataclasses

import onnx
import pytest
from onnx import helper

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.op import (
    ATTRIBUTES,
    LookupAttributes,
    LookupSpec,
    is_lookup_node,
    is_table_name,
    version,
)

PLAIN = LookupAttributes(
    config_file="hps.json",
    bundle_id="-",
    model_name="dlrm",
    input_types=(7,),
    output_types=(1,),
    lookups=(LookupSpec("user", 8, 0, 0),),
)
#: Every layout, both kinds of columns, weights, an ignored id, a size and a size input.
RICH = LookupAttributes(
    config_file="/etc/hps.json",
    bundle_id="0123456789abcdef" * 2,
    model_name="m",
    input_types=(6, 7, 1, 10, 7, 7),
    output_types=(1, 10, 16),
    lookups=(
        LookupSpec("a", 4, 0, 0, ids_column=3, index_mode=1),
        LookupSpec("b", 8, 1, 0, layout=1, combiner=2, divisor=1, output_column=4),
        LookupSpec("c", 2, 1, 1, layout=2, layout_input=4, combiner=1, weights_input=2),
        LookupSpec("d", 2, 1, 1, layout=3, layout_input=4, combiner=3, output_column=2),
        LookupSpec("e", 5, 1, 2, layout=4, layout_input=5, combiner=1, ignored_id=-1),
        LookupSpec("f", 1, 1, 2, layout=5, layout_input=5, combiner=1, size=7, output_column=5),
        LookupSpec(
            "a", 4, 1, 2, layout=5, layout_input=5, combiner=2, size_input=3, output_column=6
        ),
    ),
    unresolved_output=True,
)


def node_of(attributes):
    inputs = [f"in{i}" for i in range(len(attributes.input_types))]
    count = len(attributes.output_types) + attributes.unresolved_output
    return attributes.to_node(inputs, [f"out{i}" for i in range(count)], "node")


@pytest.mark.parametrize("attributes", [PLAIN, RICH])
def test_what_is_written_is_read_back(attributes):
    node = node_of(attributes)
    assert LookupAttributes.from_node(node) == attributes
    assert LookupAttributes.from_node(onnx.NodeProto.FromString(node.SerializeToString())) == (
        attributes
    )


def test_nothing_that_a_parser_would_lose():
    """No list of strings, no empty list, no integer of more than 32 bits."""
    for attribute in node_of(RICH).attribute:
        assert attribute.type in (
            onnx.AttributeProto.STRING,
            onnx.AttributeProto.INT,
            onnx.AttributeProto.INTS,
        )
        if attribute.type == onnx.AttributeProto.STRING:
            assert attribute.s
        if attribute.type == onnx.AttributeProto.INTS:
            assert attribute.ints
            assert all(-(1 << 31) <= number < 1 << 31 for number in attribute.ints)


def test_values_of_a_node():
    node = node_of(RICH)
    assert (node.op_type, node.domain, node.name) == ("HPS_TRT", "hps_trt", "node")
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    assert values["plugin_version"] == b"2"
    assert values["tables"] == b"a\nb\nc\nd\ne\nf\na"
    assert values["dims"] == [4, 8, 2, 2, 5, 1, 4]
    assert values["ids_columns"] == [3, -1, -1, -1, -1, -1, -1]
    assert values["layouts"] == [0, 1, 2, 3, 4, 5, 5]
    assert values["has_ignored_ids"] == [0, 0, 0, 0, 1, 0, 0]
    assert values["ignored_ids"] == [0, 0, 0, 0, -1, 0, 0]
    assert values["unresolved_output"] == 1
    assert len(node.output) == 4


def lookup(**changes):
    return {"lookups": (dataclasses.replace(PLAIN.lookups[0], **changes),)}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"config_file": "a\0b"}, "config_file"),
        ({"config_file": "a" * ((1 << 20) + 1)}, "config_file"),
        ({"model_name": "a b"}, "model_name"),
        ({"lookups": PLAIN.lookups * 4097}, "4097 lookups"),
        ({"input_types": (7, 7)}, "no lookup reads input 1"),
        (lookup(divisor=1), "only mean and sqrtn take a divisor"),
        ({"model_name": ""}, "model_name"),
        ({"bundle_id": "ABCDEF0123456789" * 2}, "bundle_id"),
        ({"bundle_id": ""}, "bundle_id"),
        ({"lookups": ()}, "needs a lookup"),
        ({"input_types": (2,)}, "input_types holds 2"),
        ({"output_types": (11,)}, "output_types holds 11"),
        ({"output_types": (1, 1)}, "no lookup writes output 1"),
        ({"input_types": (1,)}, "ids_input 0 names an input of a wrong type"),
        (lookup(table=""), "table names"),
        (lookup(table="a/b"), "table names"),
        (lookup(table="a\nb"), "table names"),
        (lookup(dim=0), "dim 0"),
        (lookup(dim=(1 << 20) + 1), "dim 1048577"),
        (lookup(ids_input=1), "ids_input 1 is not an input"),
        (lookup(ids_input=-1), "ids_input -1"),
        (lookup(ids_column=-2), "ids_column -2"),
        (lookup(ids_column=1 << 31), "ids_column"),
        (lookup(index_mode=2), "index_mode 2"),
        (lookup(layout=6, combiner=1), "layout 6"),
        (lookup(layout=1), "go together"),
        (lookup(combiner=1), "go together"),
        (lookup(layout=1, combiner=4), "combiner 4"),
        (lookup(layout=1, combiner=2, divisor=3), "divisor 3"),
        (lookup(layout=2, combiner=1), "layout_input -1"),
        (lookup(layout=2, combiner=1, layout_input=0, ids_column=0), "no ids_column"),
        (lookup(layout=1, combiner=1, layout_input=0), "no layout_input"),
        (lookup(layout=5, combiner=1, layout_input=0), "wants a size"),
        (lookup(layout=5, combiner=1, layout_input=0, size=1, size_input=0), "exclude"),
        (lookup(layout=1, combiner=1, size=1), "only layout 5"),
        (lookup(weights_input=0), "weights_input 0 names an input of a wrong type"),
        (lookup(ignored_id=1 << 31), "32 bits"),
        (lookup(output=1), "output 1 does not exist"),
        (lookup(output_column=-1), "output_column -1"),
        (lookup(output_column=1), "gap or an overlap at column 0"),
    ],
)
def test_rules(change, word):
    with pytest.raises(SurgeryError, match=word):
        node_of(dataclasses.replace(PLAIN, **change))


def test_columns_may_not_overlap():
    lookups = (LookupSpec("a", 8, 0, 0), LookupSpec("b", 8, 0, 0, output_column=7))
    with pytest.raises(SurgeryError, match="gap or an overlap at column 7"):
        dataclasses.replace(PLAIN, lookups=lookups).check()


def test_weights_need_a_combiner():
    lookups = (LookupSpec("a", 8, 0, 0, weights_input=1),)
    with pytest.raises(SurgeryError, match="weights need a combiner"):
        dataclasses.replace(PLAIN, lookups=lookups, input_types=(7, 1)).check()


@pytest.mark.parametrize(
    ("inputs", "outputs"), [((), ("o",)), (("a", "b"), ("o",)), (("a",), ()), (("",), ("o",))]
)
def test_inputs_and_outputs_must_fit(inputs, outputs):
    with pytest.raises(SurgeryError, match="'node'"):
        PLAIN.to_node(inputs, outputs, "node")


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name != "unresolved_output"])
def test_a_missing_attribute_is_named(name):
    node = node_of(PLAIN)
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)
    with pytest.raises(SurgeryError, match=f"attribute {name} is missing"):
        LookupAttributes.from_node(node)


def test_an_unknown_or_ill_typed_attribute_is_named():
    node = node_of(PLAIN)
    node.attribute.append(helper.make_attribute("speed", 3))
    with pytest.raises(SurgeryError, match="speed is not known"):
        LookupAttributes.from_node(node)
    node = node_of(PLAIN)
    for attribute in node.attribute:
        if attribute.name == "dims":
            attribute.CopyFrom(helper.make_attribute("dims", 8))
    with pytest.raises(SurgeryError, match="dims is not of kind ints"):
        LookupAttributes.from_node(node)


def test_lists_of_another_length_are_named():
    node = node_of(PLAIN)
    for attribute in node.attribute:
        if attribute.name == "sizes":
            attribute.ints.append(-1)
    with pytest.raises(SurgeryError, match="sizes has 2 entries for 1 lookups"):
        LookupAttributes.from_node(node)


def test_flags_are_0_or_1_and_agree():
    for name, numbers, word in [
        ("ignored_ids", [5], "ignored_ids holds 5"),
        ("has_ignored_ids", [2], "has_ignored_ids is 2"),
    ]:
        node = node_of(PLAIN)
        for attribute in node.attribute:
            if attribute.name == name:
                attribute.ints[:] = numbers
        with pytest.raises(SurgeryError, match=word):
            LookupAttributes.from_node(node)
    node = node_of(PLAIN)
    node.attribute[-1].i = 2
    with pytest.raises(SurgeryError, match="unresolved_output"):
        LookupAttributes.from_node(node)


def test_trailing_zero_bytes_of_strings_are_dropped():
    node = node_of(PLAIN)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.STRING:
            attribute.s += b"\0"
    assert LookupAttributes.from_node(node) == PLAIN


def test_versions():
    old = helper.make_node("HPS_TRT", ["ids"], ["rows"], model_name="m")
    assert is_lookup_node(old)
    assert version(old) == "1"
    old.attribute.append(helper.make_attribute("plugin_version", "1\0"))
    assert version(old) == "1"
    assert version(node_of(PLAIN)) == "2"
    with pytest.raises(SurgeryError, match="no HPS_TRT node of version"):
        LookupAttributes.from_node(old)
    assert not is_lookup_node(helper.make_node("HPS_TRT", [], [], domain="other"))


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("A-b_9", True), ("x" * 120, True), ("x" * 121, False), ("", False)]
    + [(bad, False) for bad in ("a.b", "a b", "..", "a/b", "ä", "a\n")],
)
def test_table_names(name, good):
    assert is_table_name(name) is good
