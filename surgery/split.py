"""Cuts a rewritten model in three: the graph before the lookups, the lookups, the dense graph.

For ensembles, and for runtimes without plugins. Tensors keep their names and types, so the three
fit together by name:

    before    inputs of the model -> ids           without nodes when the ids are inputs themselves
    lookups   ids -> rows                          HPS_TRT nodes only
    dense     rows, inputs of the model -> outputs

Nodes that both the ids and the dense graph need are in both. An output of the model that is rows
as they are comes from `lookups`, and one that is a computed id tensor from `before`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import onnx
from onnx import helper

from hps_trt.surgery import op
from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.model import Model, Node, Scope


@dataclass(frozen=True)
class Split:
    """The three graphs; see the module's docstring."""

    before: onnx.ModelProto
    lookups: onnx.ModelProto
    dense: onnx.ModelProto


def split(proto: onnx.ModelProto) -> Split:
    """Splits a model that `apply` made.

    Raises:
        SurgeryError: there is no HPS_TRT node, one stands in a subgraph, or ids of one depend on
            rows of another, so that three graphs are not enough.
    """
    model = Model(proto, None, "model")
    main = model.main
    for scope in model.scopes():
        for node in scope.nodes:
            if scope is not main and op.is_lookup_node(node.proto):
                raise SurgeryError(
                    f"cannot split: node '{node.label}' stands in the subgraph '{scope.path}'; "
                    "use the whole "
                    "model, or plan without that lookup"
                )
    lookups = [node for node in main.nodes if op.is_lookup_node(node.proto)]
    if not lookups:
        raise SurgeryError(f"cannot split: the model has no {op.OP_TYPE} node")
    ids = list(dict.fromkeys(name for node in lookups for name in node.inputs if name))
    rows = list(dict.fromkeys(name for node in lookups for name in node.outputs if name))
    before = _needed(main, ids, ())
    for node in before:
        if op.is_lookup_node(node.proto):
            raise SurgeryError(
                f"cannot split: the ids of a lookup depend on rows of '{node.label}'; use the "
                "whole model, or "
                "plan without one of the two"
            )
    graph_inputs = [value.name for value in proto.graph.input]
    outputs = [value.name for value in proto.graph.output]
    dense_outputs = [name for name in outputs if name not in rows]
    dense = _needed(main, dense_outputs, rows)
    made_before = {name for node in before for name in node.outputs}
    return Split(
        before=_part(model, before, graph_inputs, [name for name in ids if name in made_before]),
        lookups=_part(model, lookups, ids, rows),
        dense=_part(model, dense, [*graph_inputs, *rows], dense_outputs),
    )


def _needed(scope: Scope, names: Iterable[str], given: Iterable[str]) -> list[Node]:
    """The nodes that make `names` when `given` are there already, in their order."""
    nodes: set[int] = set()
    done = set(given)
    stack = list(names)
    while stack:
        name = stack.pop()
        node = scope.producers.get(name)
        if name in done or node is None:
            continue
        done.add(name)
        if node.index not in nodes:
            nodes.add(node.index)
            stack.extend(node.reads)
    return [scope.nodes[index] for index in sorted(nodes)]


def _part(
    model: Model, nodes: list[Node], inputs: Iterable[str], outputs: list[str]
) -> onnx.ModelProto:
    """A model of some of the nodes, with those of `inputs` that they read."""
    source = model.proto
    graph = source.graph
    part = onnx.ModelProto(
        ir_version=source.ir_version,
        producer_name=source.producer_name,
        producer_version=source.producer_version,
    )
    reads = {name for node in nodes for name in node.reads} | set(outputs)
    part.graph.name = graph.name or "graph"
    part.graph.node.extend(node.proto for node in nodes)
    part.graph.initializer.extend(item for item in graph.initializer if item.name in reads)
    part.graph.sparse_initializer.extend(
        item for item in graph.sparse_initializer if item.values.name in reads
    )
    declared = {value.name: value for value in [*graph.value_info, *graph.output, *graph.input]}
    for name in inputs:
        if name in reads:
            part.graph.input.append(_value(model.main, declared, name))
    part.graph.output.extend(_value(model.main, declared, name) for name in outputs)
    outer = {value.name for value in [*part.graph.input, *part.graph.output]}
    made = {name for node in nodes for name in node.outputs}
    part.graph.value_info.extend(
        value for value in graph.value_info if value.name in made and value.name not in outer
    )
    part.opset_import.extend(source.opset_import)
    part.functions.extend(source.functions)
    return part


def _value(
    scope: Scope, declared: dict[str, onnx.ValueInfoProto], name: str
) -> onnx.ValueInfoProto:
    if name in declared and declared[name].type.tensor_type.elem_type:
        return declared[name]
    kind = scope.elem_type(name)
    if not kind:
        raise SurgeryError(f"cannot split: the type of tensor '{name}' is not known")
    shape = scope.shape(name)
    return helper.make_tensor_value_info(name, kind, None if shape is None else list(shape))
