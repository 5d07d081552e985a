"""One operator in three places: OPERATOR.md, surgery/op.py and the library agree on every
attribute."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from hps_trt.surgery import op
from hps_trt.surgery.errors import SurgeryError

DOCUMENT = Path(__file__).parents[1] / "plugin_src" / "OPERATOR.md"


def sections():
    """Rows of the attribute tables of the document, by version."""
    text = DOCUMENT.read_text(encoding="utf-8")
    found = {}
    for part in re.split(r"^## Version ", text, flags=re.M)[1:]:
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \|(?: ([^|]*) \|)?", part, flags=re.M)
        found[part[1]] = {name: (kind, length.strip()) for name, kind, length in rows}
    return found


def test_the_document_lists_the_attributes_that_are_written():
    documented = {name: kind for name, (kind, _) in sections()["2"].items()}
    assert list(documented.items()) == list(op.ATTRIBUTES.items())


def test_the_document_lists_the_attributes_of_version_1():
    documented = {name: kind for name, (kind, _) in sections()["1"].items()}
    assert list(documented.items()) == list(op.ATTRIBUTES_V1.items())


def test_lengths_are_as_documented():
    node = helper.make_node("Identity", ["x"], ["y"])
    attributes = op.LookupAttributes(
        config_file="hps.json",
        bundle_id="-",
        model_name="m",
        input_types=(7, 7),
        output_types=(1,),
        lookups=(
            op.LookupSpec("a", 1, 0, 0),
            op.LookupSpec("b", 2, 0, 0, output_column=1),
            op.LookupSpec("c", 3, 1, 0, output_column=3),
        ),
    )
    node = attributes.to_node(["x", "y"], ["z"], "node")
    counts = {"per lookup": 3, "per input": 2, "per output": 1}
    for attribute in node.attribute:
        if attribute.name == "plugin_version":
            continue
        kind, length = sections()["2"][attribute.name]
        if kind == "ints":
            assert len(attribute.ints) == counts[length], attribute.name


def test_names_of_the_document():
    text = DOCUMENT.read_text(encoding="utf-8")
    assert f"Op type and plugin name `{op.OP_TYPE}`" in text
    assert f"the domain is `{op.DOMAIN}`" in text
    assert f"`{op.VERSION_ATTRIBUTE}`" in text
    assert f'## Version "{op.VERSION}"' in text


# --- against the library ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def node_check():
    from hps_trt import native

    if not native.library_path().is_file():
        pytest.skip("libhps_plugin.so is not built; scripts/test.sh builds it")
    return native.node_check


def attributes_of(node):
    """What the library is given: strings and lists as ONNX has them, by name."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def node_of(attributes):
    inputs = [f"in{i}" for i in range(len(attributes.input_types))]
    count = len(attributes.output_types) + attributes.unresolved_output
    return attributes.to_node(inputs, [f"out{i}" for i in range(count)], "node")


IDS, WEIGHTS = (6, 7), (1, 10, 16)


@st.composite
def lookup_attributes(draw):
    """Any valid node: 1 to 6 lookups of any layout, with outputs that some of them share."""
    input_types, specs, output_types, widths = [], [], [], []

    def add_input(types):
        known = [i for i, kind in enumerate(input_types) if kind in types]
        if known and draw(st.booleans()):
            return draw(st.sampled_from(known))
        input_types.append(draw(st.sampled_from(types)))
        return len(input_types) - 1

    for position in range(draw(st.integers(1, 6))):
        layout = draw(st.integers(0, 5))
        combiner = draw(st.integers(1, 3)) if layout else 0
        has_size_input = layout == 5 and draw(st.booleans())
        output = draw(st.integers(0, len(output_types)))
        if output == len(output_types):
            output_types.append(draw(st.sampled_from(WEIGHTS)))
            widths.append(0)
        dim = draw(st.integers(1, 1 << 20))
        specs.append(
            op.LookupSpec(
                table=f"table_{position % 3}-{draw(st.integers(0, 9))}",
                dim=dim,
                ids_input=add_input(IDS),
                output=output,
                ids_column=draw(st.integers(-1, 40)) if layout < 2 else -1,
                index_mode=draw(st.integers(0, 1)),
                layout=layout,
                layout_input=add_input(IDS) if layout >= 2 else -1,
                size_input=add_input(IDS + WEIGHTS) if has_size_input else -1,
                size=draw(st.integers(0, 99)) if layout == 5 and not has_size_input else -1,
                weights_input=add_input(WEIGHTS) if combiner and draw(st.booleans()) else -1,
                combiner=combiner,
                divisor=draw(st.integers(0, 2)) if combiner >= 2 else 0,
                ignored_id=draw(st.none() | st.integers(-(1 << 31), (1 << 31) - 1)),
                output_column=widths[output],
            )
        )
        widths[output] += dim
    return op.LookupAttributes(
        config_file=draw(st.sampled_from(["hps.json", "/etc/x y/hps.json", ""])),
        bundle_id=draw(st.sampled_from(["-", "0123456789abcdef" * 2])),
        model_name="model",
        input_types=tuple(input_types),
        output_types=tuple(output_types),
        lookups=tuple(specs),
        unresolved_output=draw(st.booleans()),
    )


@given(lookup_attributes())
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(attributes):
    assert op.LookupAttributes.from_node(node_of(attributes)) == attributes


@given(attributes=lookup_attributes())
@settings(max_examples=100, deadline=None)
def test_the_library_reads_what_is_written(node_check, attributes):
    written = attributes_of(node_of(attributes))
    read = node_check(2, written)
    for name, kind in op.ATTRIBUTES.items():
        want = [written[name]] if kind == "int" else written[name]
        assert read[name] in (want, written[name]), name
    assert set(read) - set(op.ATTRIBUTES) <= {"plugin_version", "plugin_namespace"}


@given(attributes=lookup_attributes(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_both_sides_refuse_the_same(node_check, attributes, data):
    """One number changed anywhere: either both readers take the node, or neither does."""
    node = node_of(attributes)
    lists = [a for a in node.attribute if a.ints]
    attribute = data.draw(st.sampled_from(lists))
    position = data.draw(st.integers(0, len(attribute.ints) - 1))
    attribute.ints[position] = data.draw(
        st.sampled_from([-(1 << 31), -2, -1, 0, 1, 2, 3, 5, 6, 7, 10, 16, 1 << 20, (1 << 31) - 1])
    )
    try:
        op.LookupAttributes.from_node(node)
        ours = None
    except SurgeryError as error:
        ours = error
    from hps_trt.native import NativeError

    try:
        node_check(2, attributes_of(node))
        theirs = None
    except NativeError as error:
        theirs = error
    assert (ours is None) == (theirs is None), json.dumps(
        {"node": attributes_of(node), "python": str(ours), "library": str(theirs)}, default=str
    )


@pytest.mark.parametrize("name", [n for n in op.ATTRIBUTES if n != "unresolved_output"])
def test_the_library_misses_what_is_missing(node_check, name):
    from hps_trt.native import NativeError

    attributes = op.LookupAttributes("c", "-", "m", (7,), (1,), (op.LookupSpec("t", 4, 0, 0),))
    written = attributes_of(node_of(attributes))
    del written[name]
    with pytest.raises(NativeError, match=name):
        node_check(2, written)


def test_an_absent_unresolved_output_is_0(node_check):
    attributes = op.LookupAttributes("c", "-", "m", (7,), (1,), (op.LookupSpec("t", 4, 0, 0),))
    node = node_of(attributes)
    kept = [a for a in node.attribute if a.name != "unresolved_output"]
    del node.attribute[:]
    node.attribute.extend(kept)
    assert op.LookupAttributes.from_node(node) == attributes
    assert node_check(2, attributes_of(node))["unresolved_output"] in (0, [0])


def test_version_1(node_check):
    written = {"ps_config_file": "ps.json", "model_name": "m", "table_id": 3, "emb_vec_size": 16}
    assert set(written) == set(op.ATTRIBUTES_V1)
    read = node_check(1, written)
    assert read["table_id"] in (3, [3])
    assert read["emb_vec_size"] in (16, [16])
