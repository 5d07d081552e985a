"""A model seen for surgery: its graphs, who makes and who reads a tensor, constants.

Nothing here changes the model or copies a table. A name in a subgraph may come from the graph
around it, so every question goes to a `Scope`, which asks its parents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.infer import Types, infer_types

#: Element types of the constants that are plain attributes of a Constant node.
_CONSTANT_KINDS: dict[int, int] = {
    onnx.AttributeProto.INT: onnx.TensorProto.INT64,
    onnx.AttributeProto.INTS: onnx.TensorProto.INT64,
    onnx.AttributeProto.FLOAT: onnx.TensorProto.FLOAT,
    onnx.AttributeProto.FLOATS: onnx.TensorProto.FLOAT,
}
_DEFAULT_DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Node:
    """A node and where it stands; compared by identity."""

    proto: onnx.NodeProto
    scope: Scope = field(repr=False)
    index: int

    @property
    def op(self) -> str:
        """Operator type, with its domain in front unless that is ONNX's own."""
        if self.proto.domain in _DEFAULT_DOMAINS:
            return str(self.proto.op_type)
        return f"{self.proto.domain}::{self.proto.op_type}"

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Input names; an empty one is an input left out."""
        return tuple(self.proto.input)

    def input(self, position: int) -> str:
        """An input's name; empty when it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Output names."""
        return tuple(self.proto.output)

    @property
    def label(self) -> str:
        """The node's name, or one made of its type and first output; unique in its scope then."""
        first = next((name for name in self.outputs if name), "")
        return self.proto.name or f"{self.proto.op_type}:{first}"

    def attribute(self, name: str, default: Any = None) -> Any:
        """Value of an attribute as `onnx.helper.get_attribute_value` gives it, or `default`.

        None for an attribute of a type that does not exist.
        """
        for attribute in self.proto.attribute:
            if attribute.name == name:
                try:
                    return helper.get_attribute_value(attribute)
                except ValueError:
                    return None
        return default

    @cached_property
    def reads(self) -> frozenset[str]:
        """Every name the node reads: its inputs, and what its subgraphs take from outside."""
        names = {name for name in self.inputs if name}
        for _, graph in subgraphs(self.proto):
            names |= free_names(graph)
        return frozenset(names)


@dataclass(frozen=True)
class Constant:
    """A tensor known before anything runs.

    Attributes:
        tensor: the data.
        name: the name it has at its source.
        scope: the graph that holds it.
        node: the Constant node, or None for an initializer.
        through: the Identity nodes between the source and the reader, the reader's side first.
    """

    tensor: onnx.TensorProto
    name: str
    scope: Scope = field(repr=False)
    node: Node | None
    through: tuple[Node, ...]

    @property
    def label(self) -> str:
        """The name, with the scope in front when that is a subgraph."""
        return f"{self.scope.path}::{self.name}" if self.scope.path else self.name


class Scope:
    """One graph: the main graph (path "") or the subgraph of a control-flow node.

    Paths are unique, made of node labels and attribute names: `"loop_3.body:if_1.then_branch"`.
    """

    def __init__(
        self,
        graph: onnx.GraphProto,
        types: Types,
        source_dir: Path | None,
        path: str = "",
        parent: Scope | None = None,
    ) -> None:
        self.graph = graph
        self.path = path
        self.parent = parent
        self.source_dir = source_dir
        self.inputs = {value.name for value in graph.input}
        self.outputs = {value.name for value in graph.output}
        self.initializers = {tensor.name: tensor for tensor in graph.initializer}
        self.sparse = {tensor.values.name for tensor in graph.sparse_initializer}
        self.nodes = [Node(proto, self, index) for index, proto in enumerate(graph.node)]
        self.producers = {name: node for node in self.nodes for name in node.outputs if name}
        self._types = types
        self.children: dict[tuple[int, str], Scope] = {}
        taken: set[str] = set()
        for node in self.nodes:
            for attribute, graph_ in subgraphs(node.proto):
                child_types = types.children[(node.index, attribute)]
                child_path = f"{path}:" if path else ""
                child_path += f"{node.label}.{attribute}"
                if child_path in taken:
                    child_path += f"#{node.index}"
                taken.add(child_path)
                child = Scope(graph_, child_types, source_dir, child_path, self)
                self.children[(node.index, attribute)] = child

    def walk(self) -> Iterator[Scope]:
        """This scope and all below it, outer ones first."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def owner(self, name: str) -> Scope | None:
        """The innermost scope around the reader that defines `name`."""
        scope: Scope | None = self
        while scope is not None:
            if (
                name in scope.producers
                or name in scope.initializers
                or name in scope.inputs
                or name in scope.sparse
            ):
                return scope
            scope = scope.parent
        return None

    def producer(self, name: str) -> Node | None:
        """The node that makes `name`, in this scope or around it."""
        owner = self.owner(name)
        return owner.producers.get(name) if owner else None

    def constant(self, name: str) -> Constant | None:
        """The constant behind `name`, through Identity nodes: an initializer or a Constant node.

        An initializer that is a graph input as well is returned too: see `overridable`.
        """
        through: list[Node] = []
        scope: Scope | None = self.owner(name)
        while scope is not None:
            if name in scope.initializers:
                return Constant(scope.initializers[name], name, scope, None, tuple(through))
            node = scope.producers.get(name)
            if node is None or node in through:
                return None
            if node.op == "Constant":
                tensor = constant_tensor(node.proto)
                return (
                    None if tensor is None else Constant(tensor, name, scope, node, tuple(through))
                )
            if node.op != "Identity" or len(node.inputs) != 1:
                return None
            through.append(node)
            name = node.inputs[0]
            scope = scope.owner(name)
        return None

    def overridable(self, constant: Constant) -> bool:
        """Whether a caller may replace the constant: it is an input of its graph as well."""
        return constant.node is None and constant.name in constant.scope.inputs

    def elem_type(self, name: str) -> int:
        """ONNX element type of a tensor; 0 when nothing says it."""
        owner = self.owner(name)
        return owner._types.elem_types.get(name, 0) if owner else 0

    def shape(self, name: str) -> tuple[int | str | None, ...] | None:
        """Extents: numbers, symbols, or None; None for the whole when the rank is not known."""
        owner = self.owner(name)
        return owner._types.shapes.get(name) if owner else None

    def rank(self, name: str) -> int | None:
        """Rank of a tensor, when known."""
        shape = self.shape(name)
        return None if shape is None else len(shape)


class Model:
    """A loaded model; see `hps_trt.surgery.load`.

    Attributes:
        proto: the model, without the data of external tensors; read-only from here on.
        source_dir: folder that external data is relative to, None for a model from memory.
        source: how messages call the model.
        main: the main graph's scope.
    """

    def __init__(self, proto: onnx.ModelProto, source_dir: Path | None, source: str) -> None:
        self.proto = proto
        self.source_dir = source_dir
        self.source = source
        _check(proto, source)
        self.main = Scope(proto.graph, infer_types(proto), source_dir)

    def scopes(self) -> Iterator[Scope]:
        """All graphs, the main one first."""
        return self.main.walk()

    def scope(self, path: str) -> Scope | None:
        """The graph of that path."""
        return next((scope for scope in self.scopes() if scope.path == path), None)


def subgraphs(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.GraphProto]]:
    """Graphs in a node's attributes, with a name for each that is unique in the node."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.name, attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            for position, graph in enumerate(attribute.graphs):
                yield f"{attribute.name}[{position}]", graph


def free_names(graph: onnx.GraphProto) -> set[str]:
    """Names a graph reads without defining them: what it takes from the graph around it."""
    defined = {value.name for value in graph.input}
    defined |= {tensor.name for tensor in graph.initializer}
    defined |= {tensor.values.name for tensor in graph.sparse_initializer}
    used: set[str] = {value.name for value in graph.output}
    for node in graph.node:
        defined.update(node.output)
        used.update(node.input)
        for _, inner in subgraphs(node):
            used |= free_names(inner)
    return {name for name in used - defined if name}


def constant_tensor(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant node; None for strings and sparse tensors."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            tensor: onnx.TensorProto = attribute.t
            return tensor
        kind = _CONSTANT_KINDS.get(attribute.type)
        if kind is not None:
            value = helper.get_attribute_value(attribute)
            many = not isinstance(value, int | float)
            name = node.output[0] if node.output else ""
            numbers = list(value) if many else [value]
            return helper.make_tensor(name, kind, [len(numbers)] if many else [], numbers)
    return None


def _check(proto: onnx.ModelProto, source: str) -> None:
    if not proto.HasField("graph") or not proto.opset_import:
        raise SurgeryError(
            f"{source}: not an ONNX model, or one that is cut short (no graph or opset)"
        )
    if not proto.graph.output:
        raise SurgeryError(f"{source}: the graph has no output; the file is cut short or corrupt")
    _check_graph(proto.graph, source, frozenset())


def _check_graph(graph: onnx.GraphProto, source: str, outer: frozenset[str]) -> None:
    """Every name read is defined, and none is made twice."""
    known = {value.name for value in graph.input}
    known |= {tensor.name for tensor in graph.initializer}
    known |= {tensor.values.name for tensor in graph.sparse_initializer}
    if len({tensor.name for tensor in graph.initializer}) != len(graph.initializer):
        raise SurgeryError(f"{source}: two initializers of graph '{graph.name}' have the same name")
    made = [name for node in graph.node for name in node.output if name]
    twice = {name for name in made if name in known}
    seen: set[str] = set()
    for name in made:
        if name in seen:
            twice.add(name)
        seen.add(name)
    if twice:
        raise SurgeryError(f"{source}: tensor '{min(twice)}' is made more than once")
    everything = known | seen | outer
    for value in graph.output:
        if value.name not in everything:
            raise SurgeryError(f"{source}: nothing makes the graph output '{value.name}'")
    for node in graph.node:
        for name in node.input:
            if name and name not in everything:
                raise SurgeryError(
                    f"{source}: node '{node.name or node.op_type}' reads '{name}', which "
                    "nothing makes"
                )
        for _, inner in subgraphs(node):
            _check_graph(inner, source, frozenset(everything))
