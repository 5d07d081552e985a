"""The node HPS_TRT: its attributes written and read.

The Python side of plugin_src/OPERATOR.md, which also says what every attribute means;
plugin_src/lookup/node_spec.h is the C++ side and tests/test_operator_contract.py holds the three
together. One node carries any number of lookups, each a `LookupSpec`; inputs and outputs are plain
positions in the node's lists.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import helper

from hps_trt.surgery.errors import SurgeryError

OP_TYPE = "HPS_TRT"
DOMAIN = "hps_trt"
OPSET_VERSION = 1
VERSION_ATTRIBUTE = "plugin_version"
VERSION = "2"

INDEX_MODE_KEY = 0
INDEX_MODE_ONNX = 1
INDEX_MODES = {"key": INDEX_MODE_KEY, "onnx": INDEX_MODE_ONNX}

IDS_TYPES = (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
ROW_TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
MAX_DIM = 1 << 20
#: Most lookups of one node.
MAX_LOOKUPS = 4096

#: Attributes of version "2" in the order of OPERATOR.md: name -> "string", "ints" or "int".
ATTRIBUTES = {
    "config_file": "string",
    "bundle_id": "string",
    "model_name": "string",
    "tables": "string",
    "input_types": "ints",
    "output_types": "ints",
    "dims": "ints",
    "ids_inputs": "ints",
    "ids_columns": "ints",
    "layouts": "ints",
    "layout_inputs": "ints",
    "size_inputs": "ints",
    "sizes": "ints",
    "weights_inputs": "ints",
    "combiners": "ints",
    "divisors": "ints",
    "has_ignored_ids": "ints",
    "ignored_ids": "ints",
    "index_modes": "ints",
    "outputs": "ints",
    "output_columns": "ints",
    "unresolved_output": "int",
}
#: Attributes of version "1": never written here, only recognised.
ATTRIBUTES_V1 = {
    "ps_config_file": "string",
    "model_name": "string",
    "table_id": "int",
    "emb_vec_size": "int",
}

_TABLE_NAME = re.compile(r"[a-zA-Z0-9_-]{1,120}")
_BUNDLE_ID = re.compile(r"[0-9a-f]{32}|-")
_INT32_MIN, _INT32_MAX = -(1 << 31), (1 << 31) - 1
_MOST_TEXT = 1 << 20


def is_table_name(name: str) -> bool:
    """Whether `name` may name a table: 1 to 120 letters, digits, `_` and `-`."""
    return _TABLE_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class LookupSpec:
    """One lookup of a node; fields as in OPERATOR.md, positions refer to the node's lists."""

    table: str
    dim: int
    ids_input: int
    output: int
    ids_column: int = -1
    index_mode: int = INDEX_MODE_KEY
    layout: int = 0
    layout_input: int = -1
    size_input: int = -1
    size: int = -1
    weights_input: int = -1
    combiner: int = 0
    divisor: int = 0
    ignored_id: int | None = None
    output_column: int = 0


#: Attribute -> field of LookupSpec, for the lists that have one integer per lookup.
_PER_LOOKUP = {
    "dims": "dim",
    "ids_inputs": "ids_input",
    "ids_columns": "ids_column",
    "layouts": "layout",
    "layout_inputs": "layout_input",
    "size_inputs": "size_input",
    "sizes": "size",
    "weights_inputs": "weights_input",
    "combiners": "combiner",
    "divisors": "divisor",
    "index_modes": "index_mode",
    "outputs": "output",
    "output_columns": "output_column",
}


@dataclass(frozen=True)
class LookupAttributes:
    """Everything a version "2" node says.

    `input_types` and `output_types` are ONNX element types; `bundle_id` is 32 lower-case
    hexadecimal digits, or "-" to match by model name.
    """

    config_file: str
    bundle_id: str
    model_name: str
    input_types: tuple[int, ...]
    output_types: tuple[int, ...]
    lookups: tuple[LookupSpec, ...] = field(default=())
    unresolved_output: bool = False

    def check(self) -> None:
        """Holds the attributes against the rules of OPERATOR.md that need no shapes.

        Raises:
            SurgeryError: naming the attribute, the lookup and the value.
        """
        if "\0" in self.config_file or len(self.config_file.encode()) > _MOST_TEXT:
            raise SurgeryError(f"{OP_TYPE}: config_file holds a NUL byte or is longer than 1 MB")
        if not is_table_name(self.model_name):
            raise SurgeryError(
                f"{OP_TYPE}: model_name {self.model_name!r} must be 1 to 120 letters, digits, "
                "'_' and '-'"
            )
        if not _BUNDLE_ID.fullmatch(self.bundle_id):
            raise SurgeryError(
                f"{OP_TYPE}: bundle_id {self.bundle_id!r} is neither 32 hexadecimal digits nor '-'"
            )
        if not self.lookups or not self.input_types or not self.output_types:
            raise SurgeryError(f"{OP_TYPE}: a node needs a lookup, an input and an output")
        if len(self.lookups) > MAX_LOOKUPS:
            raise SurgeryError(f"{OP_TYPE}: {len(self.lookups)} lookups, at most {MAX_LOOKUPS}")
        for value in self.input_types:
            if value not in IDS_TYPES + ROW_TYPES:
                raise SurgeryError(f"{OP_TYPE}: input_types holds {value}, want 6, 7, 1, 10 or 16")
        for value in self.output_types:
            if value not in ROW_TYPES:
                raise SurgeryError(f"{OP_TYPE}: output_types holds {value}, want 1, 10 or 16")
        for position, lookup in enumerate(self.lookups):
            _check_lookup(self, position, lookup)
        _check_columns(self)
        _check_inputs_used(self)

    def to_node(self, inputs: Sequence[str], outputs: Sequence[str], name: str) -> onnx.NodeProto:
        """A node with these attributes.

        Raises:
            SurgeryError: the attributes break a rule, or the lists have other lengths or empty
                names.
        """
        self.check()
        want = len(self.output_types) + int(self.unresolved_output)
        if len(inputs) != len(self.input_types) or len(outputs) != want:
            raise SurgeryError(
                f"{OP_TYPE} '{name}': {len(inputs)} inputs and {len(outputs)} outputs, the "
                "attributes "
                f"say {len(self.input_types)} and {want}"
            )
        if not all(inputs) or not all(outputs):
            raise SurgeryError(f"{OP_TYPE} '{name}': inputs and outputs may not be left empty")
        node = onnx.NodeProto(op_type=OP_TYPE, domain=DOMAIN, name=name)
        node.input.extend(inputs)
        node.output.extend(outputs)
        node.attribute.append(helper.make_attribute(VERSION_ATTRIBUTE, VERSION))
        values = self._values()
        for attribute, kind in ATTRIBUTES.items():
            value = values[attribute]
            kinds = {"string": "STRING", "ints": "INTS", "int": "INT"}
            kind_number = onnx.AttributeProto.AttributeType.Value(kinds[kind])
            node.attribute.append(helper.make_attribute(attribute, value, attr_type=kind_number))
        return node

    def _values(self) -> dict[str, str | int | list[int]]:
        values: dict[str, str | int | list[int]] = {
            "config_file": self.config_file,
            "bundle_id": self.bundle_id,
            "model_name": self.model_name,
            "tables": "\n".join(lookup.table for lookup in self.lookups),
            "input_types": list(self.input_types),
            "output_types": list(self.output_types),
            "has_ignored_ids": [int(lookup.ignored_id is not None) for lookup in self.lookups],
            "ignored_ids": [lookup.ignored_id or 0 for lookup in self.lookups],
            "unresolved_output": int(self.unresolved_output),
        }
        for attribute, name in _PER_LOOKUP.items():
            values[attribute] = [getattr(lookup, name) for lookup in self.lookups]
        return values

    @classmethod
    def from_node(cls, node: onnx.NodeProto) -> LookupAttributes:
        """Reads a version "2" node back, strictly.

        Raises:
            SurgeryError: not such a node, or an attribute is missing, unknown or breaks a rule.
        """
        if not is_lookup_node(node) or version(node) != VERSION:
            raise SurgeryError(f"node '{node.name}' is no {OP_TYPE} node of version {VERSION!r}")
        values = _read_attributes(node)
        tables = values["tables"].split("\n")
        lists = {attribute: values[attribute] for attribute in _PER_LOOKUP}
        lists |= {name: values[name] for name in ("has_ignored_ids", "ignored_ids")}
        for attribute, numbers in lists.items():
            if len(numbers) != len(tables):
                raise SurgeryError(
                    f"node '{node.name}': {attribute} has {len(numbers)} entries for "
                    f"{len(tables)} lookups"
                )
        for has, ignored in zip(values["has_ignored_ids"], values["ignored_ids"], strict=True):
            if has not in (0, 1) or (ignored and not has):
                raise SurgeryError(
                    f"node '{node.name}': ignored_ids holds {ignored} where has_ignored_ids is "
                    f"{has}"
                )
        if values["unresolved_output"] not in (0, 1):
            raise SurgeryError(f"node '{node.name}': unresolved_output is neither 0 nor 1")
        lookups = tuple(
            LookupSpec(
                table=table,
                ignored_id=values["ignored_ids"][i] if values["has_ignored_ids"][i] else None,
                **{name: values[attribute][i] for attribute, name in _PER_LOOKUP.items()},
            )
            for i, table in enumerate(tables)
        )
        result = cls(
            config_file=values["config_file"],
            bundle_id=values["bundle_id"],
            model_name=values["model_name"],
            input_types=tuple(values["input_types"]),
            output_types=tuple(values["output_types"]),
            lookups=lookups,
            unresolved_output=bool(values["unresolved_output"]),
        )
        result.check()
        return result


def is_lookup_node(node: onnx.NodeProto) -> bool:
    """Whether this is a HPS_TRT node, of any version, in our domain or the default one."""
    return node.op_type == OP_TYPE and node.domain in (DOMAIN, "", "ai.onnx")


def version(node: onnx.NodeProto) -> str:
    """The version of a HPS_TRT node; one that names none is version "1"."""
    for attribute in node.attribute:
        if attribute.name == VERSION_ATTRIBUTE:
            return bytes(attribute.s).rstrip(b"\0").decode("utf-8", "replace")
    return "1"


def _read_attributes(node: onnx.NodeProto) -> dict[str, Any]:
    values: dict[str, Any] = {"unresolved_output": 0}
    for attribute in node.attribute:
        if attribute.name == VERSION_ATTRIBUTE:
            continue
        if attribute.name == "plugin_namespace":
            if attribute.s.rstrip(b"\0"):
                raise SurgeryError(f"node '{node.name}': plugin_namespace must be empty")
            continue
        kind = ATTRIBUTES.get(attribute.name)
        value = helper.get_attribute_value(attribute)
        if kind == "string" and isinstance(value, bytes):
            values[attribute.name] = value.rstrip(b"\0").decode("utf-8", "replace")
        elif (kind == "ints" and attribute.type == onnx.AttributeProto.INTS) or (
            kind == "int" and attribute.type == onnx.AttributeProto.INT
        ):
            values[attribute.name] = value
        else:
            raise SurgeryError(
                f"node '{node.name}': attribute {attribute.name} "
                + (f"is not of kind {kind}" if kind else "is not known to version '2'")
            )
    for name in ATTRIBUTES:
        if name not in values:
            raise SurgeryError(f"node '{node.name}': attribute {name} is missing")
    return values


def _check_lookup(attributes: LookupAttributes, position: int, lookup: LookupSpec) -> None:
    where = f"{OP_TYPE}: lookup {position} ('{lookup.table}')"

    def want(condition: bool, what: str) -> None:
        if not condition:
            raise SurgeryError(f"{where}: {what}")

    def input_type(name: str, index: int, types: Sequence[int]) -> None:
        want(0 <= index < len(attributes.input_types), f"{name} {index} is not an input")
        want(
            attributes.input_types[index] in types, f"{name} {index} names an input of a wrong type"
        )

    want(is_table_name(lookup.table), "table names are 1 to 120 letters, digits, '_' and '-'")
    want(1 <= lookup.dim <= MAX_DIM, f"dim {lookup.dim} is outside 1..{MAX_DIM}")
    input_type("ids_input", lookup.ids_input, IDS_TYPES)
    want(-1 <= lookup.ids_column <= _INT32_MAX, f"ids_column {lookup.ids_column} is out of range")
    want(0 <= lookup.layout <= 5, f"layout {lookup.layout} is outside 0..5")
    want(0 <= lookup.combiner <= 3, f"combiner {lookup.combiner} is outside 0..3")
    want(0 <= lookup.divisor <= 2, f"divisor {lookup.divisor} is outside 0..2")
    want(lookup.index_mode in INDEX_MODES.values(), f"index_mode {lookup.index_mode} is not known")
    want((lookup.layout == 0) == (lookup.combiner == 0), "layout 0 and combiner 0 go together only")
    want(lookup.layout < 2 or lookup.ids_column < 0, "layouts 2 to 5 take no ids_column")
    if lookup.layout >= 2:
        input_type("layout_input", lookup.layout_input, IDS_TYPES)
    else:
        want(lookup.layout_input == -1, "layouts 0 and 1 take no layout_input")
    if lookup.layout == 5 and lookup.size_input >= 0:
        input_type("size_input", lookup.size_input, IDS_TYPES + ROW_TYPES)
        want(lookup.size == -1, "size and size_input exclude each other")
    elif lookup.layout == 5:
        want(lookup.size_input == -1, f"size_input {lookup.size_input} is not an input")
        want(0 <= lookup.size <= _INT32_MAX, "layout 5 wants a size or a size_input")
    else:
        want(lookup.size_input == -1 and lookup.size == -1, "only layout 5 takes a size")
    if lookup.weights_input != -1:
        input_type("weights_input", lookup.weights_input, ROW_TYPES)
        want(lookup.combiner != 0, "weights need a combiner")
    want(lookup.combiner >= 2 or lookup.divisor == 0, "only mean and sqrtn take a divisor")
    if lookup.ignored_id is not None:
        want(_INT32_MIN <= lookup.ignored_id <= _INT32_MAX, "ignored_id does not fit 32 bits")
    want(
        0 <= lookup.output < len(attributes.output_types), f"output {lookup.output} does not exist"
    )
    want(
        0 <= lookup.output_column <= _INT32_MAX, f"output_column {lookup.output_column} is negative"
    )


def _check_columns(attributes: LookupAttributes) -> None:
    for output in range(len(attributes.output_types)):
        blocks = sorted(
            (lookup.output_column, lookup.dim)
            for lookup in attributes.lookups
            if lookup.output == output
        )
        if not blocks:
            raise SurgeryError(f"{OP_TYPE}: no lookup writes output {output}")
        end = 0
        for column, dim in blocks:
            if column != end:
                raise SurgeryError(
                    f"{OP_TYPE}: output {output} has a gap or an overlap at column "
                    f"{min(column, end)}"
                )
            end = column + dim
        if end > _INT32_MAX:
            raise SurgeryError(f"{OP_TYPE}: output {output} has {end} columns, too many")


def _check_inputs_used(attributes: LookupAttributes) -> None:
    used = {
        index
        for lookup in attributes.lookups
        for index in (
            lookup.ids_input,
            lookup.layout_input,
            lookup.size_input,
            lookup.weights_input,
        )
    }
    for index in range(len(attributes.input_types)):
        if index not in used:
            raise SurgeryError(f"{OP_TYPE}: no lookup reads input {index}")
