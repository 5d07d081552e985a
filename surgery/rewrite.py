"""Builds the new model: which lookups share a node, and what nobody needs any more."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field

import onnx
from onnx import helper

from hps_trt.surgery import op
from hps_trt.surgery.find import Found
from hps_trt.surgery.liveness import Liveness
from hps_trt.surgery.message import copy_fields
from hps_trt.surgery.model import Model, Node, Scope, subgraphs
from hps_trt.surgery.order import Step, stable_order

MAX_IR_VERSION = 10


@dataclass(frozen=True)
class NewNode:
    """One HPS_TRT node in the making: lookups of one graph that may run together."""

    scope: Scope
    lookups: tuple[Found, ...]
    proto: onnx.NodeProto = field(repr=False)

    @property
    def position(self) -> int:
        """Where the first replaced node stood."""
        return min(found.root.index for found in self.lookups)


def rewrite(
    model: Model, chosen: list[Found], config_file: str, bundle_id: str, model_name: str
) -> onnx.ModelProto:
    """A copy of the model, the chosen lookups replaced, without tables that nobody reads."""
    by_scope: dict[str, list[Found]] = defaultdict(list)
    for found in chosen:
        by_scope[found.root.scope.path].append(found)
    names = {node.proto.name for scope in model.scopes() for node in scope.nodes}
    new_nodes: dict[str, list[NewNode]] = {}
    for scope in model.scopes():
        groups = _levels(scope, by_scope[scope.path])
        new_nodes[scope.path] = [
            _new_node(scope, group, names, (config_file, bundle_id, model_name)) for group in groups
        ]
    live = Liveness(model)
    for scope in model.scopes():
        for new in new_nodes[scope.path]:
            live.read(scope, new.proto.input)
    for found in chosen:
        live.remove(found.root)
    result = onnx.ModelProto()
    copy_fields(model.proto, result, but=("graph",))
    result.ir_version = min(model.proto.ir_version, MAX_IR_VERSION) or MAX_IR_VERSION
    if chosen and op.DOMAIN not in {entry.domain for entry in result.opset_import}:
        result.opset_import.append(helper.make_opsetid(op.DOMAIN, op.OPSET_VERSION))
    _build(model.main, result.graph, new_nodes, live)
    return result


def _levels(scope: Scope, lookups: list[Found]) -> list[list[Found]]:
    """Groups of lookups that do not read each other's rows, in the order they can run."""
    roots = {found.root.index: found for found in lookups}
    if not roots:
        return []
    level: dict[str, int] = {}
    groups: dict[int, list[Found]] = defaultdict(list)
    steps = [Step(node.reads, node.outputs, node.index) for node in scope.nodes]
    for position in stable_order(steps, f"graph '{scope.path or scope.graph.name}'"):
        node = scope.nodes[position]
        own = max((level.get(name, 0) for name in node.reads), default=0)
        if position in roots:
            groups[own].append(roots[position])
            own += 1
        for name in node.outputs:
            level[name] = own
    nodes: list[list[Found]] = []
    for key in sorted(groups):
        group = sorted(groups[key], key=lambda found: found.root.index)
        nodes += [group[i : i + op.MAX_LOOKUPS] for i in range(0, len(group), op.MAX_LOOKUPS)]
    return nodes


def _new_node(
    scope: Scope, group: list[Found], names: set[str], binding: tuple[str, str, str]
) -> NewNode:
    inputs = list(dict.fromkeys(found.match.ids.tensor for found in group))
    specs = tuple(
        op.LookupSpec(
            table=found.lookup.table,
            dim=found.lookup.dim,
            ids_input=inputs.index(found.match.ids.tensor),
            ids_column=found.match.ids.column,
            index_mode=op.INDEX_MODES[found.match.index_mode],
            output=position,
        )
        for position, found in enumerate(group)
    )
    attributes = op.LookupAttributes(
        *binding,
        input_types=tuple(scope.elem_type(name) for name in inputs),
        output_types=tuple(found.match.table.tensor.data_type for found in group),
        lookups=specs,
    )
    first = group[0].root.label
    wanted = f"{op.OP_TYPE}/{first}" + (f"+{len(group) - 1}" if len(group) > 1 else "")
    name, number = wanted, 2
    while name in names:
        name = f"{wanted}#{number}"
        number += 1
    names.add(name)
    proto = attributes.to_node(inputs, [found.lookup.output for found in group], name)
    for position, found in enumerate(group):
        entry = proto.metadata_props.add()
        entry.key = f"hps_trt.lookup.{position}"
        entry.value = json.dumps(
            {
                "table": found.lookup.table,
                "initializer": found.lookup.initializer,
                "nodes": list(found.lookup.nodes),
            }
        )
    return NewNode(scope, tuple(group), proto)


def _build(
    scope: Scope, target: onnx.GraphProto, new_nodes: dict[str, list[NewNode]], live: Liveness
) -> None:
    """Fills `target` with what is left of a graph and its new nodes."""
    source = scope.graph
    copy_fields(source, target, but=("node", "initializer", "value_info"))
    for tensor in source.initializer:
        if live.has_initializer(scope, tensor.name):
            target.initializer.append(tensor)
    new = new_nodes[scope.path]
    kept = [node for node in scope.nodes if live.has_node(node)]
    steps = [Step(node.reads, node.outputs, 2 * node.index + 1) for node in kept]
    steps += [Step(item.proto.input, item.proto.output, 2 * item.position) for item in new]
    for position in stable_order(steps, f"graph '{scope.path or source.name}'"):
        if position < len(kept):
            _copy_node(kept[position], target.node.add(), new_nodes, live)
        else:
            target.node.append(new[position - len(kept)].proto)
    _copy_value_info(scope, target, new)


def _copy_node(
    node: Node, target: onnx.NodeProto, new_nodes: dict[str, list[NewNode]], live: Liveness
) -> None:
    graphs = dict(subgraphs(node.proto))
    if not graphs:
        target.CopyFrom(node.proto)
        return
    copy_fields(node.proto, target, but=("attribute",))
    for attribute in node.proto.attribute:
        if attribute.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            target.attribute.append(attribute)
            continue
        copy = target.attribute.add(name=attribute.name, type=attribute.type)
        if attribute.type == onnx.AttributeProto.GRAPH:
            child = node.scope.children[(node.index, attribute.name)]
            copy.g.SetInParent()
            _build(child, copy.g, new_nodes, live)
        for position in range(len(attribute.graphs)):
            child = node.scope.children[(node.index, f"{attribute.name}[{position}]")]
            _build(child, copy.graphs.add(), new_nodes, live)


def _copy_value_info(scope: Scope, target: onnx.GraphProto, new: list[NewNode]) -> None:
    rows = {found.lookup.output: found for item in new for found in item.lookups}
    made = {name for node in target.node for name in node.output}
    made |= {value.name for value in target.input} | {tensor.name for tensor in target.initializer}
    for value in scope.graph.value_info:
        if value.name in made and value.name not in rows:
            target.value_info.append(value)
    outputs = {value.name: value for value in target.output}
    for name, found in rows.items():
        kind = found.match.table.tensor.data_type
        if name not in outputs:
            target.value_info.append(
                helper.make_tensor_value_info(name, kind, _rows_shape(scope, found))
            )
        elif not outputs[name].type.tensor_type.elem_type:
            outputs[name].type.tensor_type.elem_type = kind


def _rows_shape(scope: Scope, found: Found) -> list[int | str | None] | None:
    """Extents of a lookup's rows: those of the ids, then the dimension."""
    ids = scope.shape(found.match.ids.tensor)
    output = scope.shape(found.lookup.output)
    if ids is None:
        return None if output is None else list(output)
    extents = [*(ids if found.match.ids.column < 0 else ids[:-1]), found.match.dim]
    if output is not None and len(output) == len(extents):
        extents = [
            have if have is not None else other for have, other in zip(extents, output, strict=True)
        ]
    return extents
