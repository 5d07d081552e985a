"""Who still reads what, while nodes leave a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hps_trt.surgery.model import Model, Node, Scope


class Liveness:
    """Counts the readers of every tensor over all graphs of a model.

    Removing a node also removes the nodes and initializers that only it needed, step by step.
    Nothing else goes: what had no reader before the first removal stays, and so do graph outputs.
    """

    def __init__(self, model: Model) -> None:
        self._readers: Counter[tuple[str, str]] = Counter()
        self._gone_nodes: set[tuple[str, int]] = set()
        self._gone_initializers: set[tuple[str, str]] = set()
        for scope in model.scopes():
            self.read(scope, (value.name for value in scope.graph.output))
            for node in scope.nodes:
                self.read(scope, node.inputs)

    def read(self, scope: Scope, names: Iterable[str]) -> None:
        """Counts one more reader in `scope` for each name."""
        for name in names:
            owner = scope.owner(name) if name else None
            if owner is not None:
                self._readers[(owner.path, name)] += 1

    def remove(self, node: Node) -> None:
        """Takes a node out, although its outputs may be read: something else makes them now."""
        stack = [node]
        while stack:
            current = stack.pop()
            key = (current.scope.path, current.index)
            if key in self._gone_nodes:
                continue
            self._gone_nodes.add(key)
            stack.extend(self._release(current))

    def has_node(self, node: Node) -> bool:
        """Whether the node is still there."""
        return (node.scope.path, node.index) not in self._gone_nodes

    def has_initializer(self, scope: Scope, name: str) -> bool:
        """Whether the initializer is still there."""
        return (scope.path, name) not in self._gone_initializers

    def _release(self, node: Node) -> list[Node]:
        """Counts a node's reads back; returns the nodes that nobody needs any more."""
        reads = [(node.scope, name) for name in node.inputs]
        for (index, _), child in node.scope.children.items():
            if index == node.index:
                for inner in child.walk():
                    reads += [(inner, value.name) for value in inner.graph.output]
                    reads += [(inner, name) for other in inner.nodes for name in other.inputs]
        unneeded: list[Node] = []
        for scope, name in reads:
            owner = scope.owner(name) if name else None
            if owner is None:
                continue
            self._readers[(owner.path, name)] -= 1
            if self._readers[(owner.path, name)]:
                continue
            if name in owner.initializers and name not in owner.inputs:
                self._gone_initializers.add((owner.path, name))
            producer = owner.producers.get(name)
            if producer is not None and not any(
                self._readers[(owner.path, output)] for output in producer.outputs if output
            ):
                unneeded.append(producer)
        return unneeded
