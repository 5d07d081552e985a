"""Finds the lookups of a model, and says why each other candidate stays."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import onnx

from hps_trt.surgery.findings import Findings, Lookup, Refusal
from hps_trt.surgery.fingerprint import fingerprint
from hps_trt.surgery.functions import function_refusals
from hps_trt.surgery.index_path import path_from_input
from hps_trt.surgery.model import Model, Node
from hps_trt.surgery.op import IDS_TYPES
from hps_trt.surgery.rules import INDEX_RULES, LOOKUP_RULES
from hps_trt.surgery.rules.base import DTYPES, LookupRule, Match, Refused
from hps_trt.surgery.values import type_name

_IDS_DTYPES: dict[int, str] = {onnx.TensorProto.INT32: "int32", onnx.TensorProto.INT64: "int64"}
_LONGEST_NAME = 100
#: Endings of initializer names that say nothing about the table.
_NOISE = re.compile(
    r"(:\d+|[./_](weight|weights|embeddings|kernel|resource|read|readvariableop(_\d+)?|gatherv2|"
    r"resourcegather|embedding_lookup(_\d+)?|axis))$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Found:
    """A lookup together with the nodes it stands for."""

    lookup: Lookup
    match: Match = field(repr=False)

    @property
    def root(self) -> Node:
        """The node that makes the rows."""
        return self.match.nodes[0]


def find(model: Model) -> Findings:
    """All lookups of a model and all refused candidates; changes and reads no table."""
    found, refused = search(model)
    return Findings(
        lookups=tuple(item.lookup for item in found),
        refused=tuple(refused),
        fingerprint=fingerprint(model.proto),
    )


def search(model: Model) -> tuple[list[Found], list[Refusal]]:
    """As `find`, with the matched nodes."""
    found: list[Found] = []
    refused: list[Refusal] = []
    names = _Names()
    for scope in model.scopes():
        for node in scope.nodes:
            for rule in LOOKUP_RULES:
                answer = _look(rule, node)
                if isinstance(answer, Refused):
                    refused.append(_refusal(rule, node, answer))
                elif answer is not None:
                    match, path = answer
                    found.append(Found(_describe(names, rule, match, path), match))
    refused.extend(function_refusals(model))
    return found, refused


def _look(rule: LookupRule, node: Node) -> tuple[Match, tuple[str, ...]] | Refused | None:
    """One rule at one node, with everything that holds for all rules."""
    match = rule.match(node)
    if match is None or isinstance(match, Refused):
        return match
    if node.scope.constant(match.ids.tensor) is not None:
        return Refused("the ids are constant", match.table)
    match = _strip(match, node)
    kind = node.scope.elem_type(match.ids.tensor)
    if kind not in IDS_TYPES:
        what = type_name(kind) if kind else "not known, even after shape inference"
        return Refused(
            f"the type of the ids '{match.ids.tensor}' is {what}; lookups take INT32 and INT64",
            match.table,
        )
    path = path_from_input(node.scope, match.ids.tensor)
    if path is None:
        return Refused("the ids do not depend on any input", match.table)
    return match, path


def _strip(match: Match, node: Node) -> Match:
    """Takes the index rules' steps back for as long as one applies."""
    ids = match.ids
    while True:
        for rule in INDEX_RULES:
            stripped = rule.strip(node.scope, ids, match)
            if stripped is not None:
                ids = stripped
                break
        else:
            break
    return Match(match.table, ids, match.index_mode, match.nodes + ids.nodes, match.differences)


def _describe(names: _Names, rule: LookupRule, match: Match, path: tuple[str, ...]) -> Lookup:
    root = match.nodes[0]
    scope = root.scope
    nodes = dict.fromkeys([*match.nodes, *match.table.through])
    return Lookup(
        name=names.lookup(f"{scope.path}:{root.label}" if scope.path else root.label),
        rule="+".join([rule.name, *match.ids.rules]),
        table=names.table(match.table.label),
        initializer=match.table.label,
        rows=match.rows,
        dim=match.dim,
        dtype=DTYPES[match.table.tensor.data_type],
        ids=match.ids.tensor,
        ids_dtype=_IDS_DTYPES[scope.elem_type(match.ids.tensor)],
        ids_path=path,
        ids_column=match.ids.column,
        index_mode=match.index_mode,
        output=root.outputs[0],
        nodes=tuple(node.label for node in nodes),
        scope=scope.path,
        differences=match.differences + match.ids.differences,
    )


def _refusal(rule: LookupRule, node: Node, refused: Refused) -> Refusal:
    return Refusal(
        node=node.label,
        op=node.op,
        initializer=refused.table.label if refused.table else None,
        rule=rule.name,
        reason=refused.reason,
        scope=node.scope.path,
    )


class _Names:
    """Hands out unique names: one per lookup, one per table."""

    def __init__(self) -> None:
        self._lookups: set[str] = set()
        self._tables: dict[str, str] = {}
        self._taken: set[str] = set()

    def lookup(self, wanted: str) -> str:
        name = wanted
        number = 2
        while name in self._lookups:
            name = f"{wanted}#{number}"
            number += 1
        self._lookups.add(name)
        return name

    def table(self, initializer: str) -> str:
        """The table name of an initializer: what is left of its name when noise is cut off."""
        if initializer not in self._tables:
            base = table_name(initializer)
            name = base
            number = 2
            while name.casefold() in self._taken:
                name = f"{base}_{number}"
                number += 1
            self._taken.add(name.casefold())
            self._tables[initializer] = name
        return self._tables[initializer]


def table_name(initializer: str) -> str:
    """A valid table name made of an initializer's name, not yet unique."""
    text = initializer
    while True:
        shorter = _NOISE.sub("", text)
        if shorter == text or not re.search(r"[a-zA-Z0-9]", shorter):
            break
        text = shorter
    name = re.sub(r"[^a-zA-Z0-9_-]+", "_", text).strip("_-")
    return name[-_LONGEST_NAME:].strip("_-") or "table"
