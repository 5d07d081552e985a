"""Keras' own handling of negative ids, stripped: the lookup counts -rows..-1 from the end itself.

A Keras Embedding layer through tf2onnx has nine index nodes before its Gather:

    lt  = Less(Cast(x), 0)
    ids = Add(Mul(Cast(lt), Add(x, rows)), Mul(x, Cast(Not(lt))))

with operands in any order; some conversions write `Where(lt, Add(x, rows), x)`. The constant must
be the number of rows, otherwise the nodes mean something else and stay.
"""

from __future__ import annotations

from collections.abc import Iterator

from hps_trt.surgery.model import Node, Scope
from hps_trt.surgery.rules.base import Ids, Match
from hps_trt.surgery.values import scalar

_DIFFERENCE = (
    "an id in -{twice}..-{above} counted from the end twice in the original (Keras and Gather "
    "both wrap); "
    "here it gives the table's default vector"
)


class KerasIndexRule:
    """The nine-node cluster, or its Where form."""

    name = "keras_index"

    def strip(self, scope: Scope, ids: Ids, match: Match) -> Ids | None:
        """See `IndexRule`."""
        rows = match.rows
        root = _local(scope, ids.tensor)
        if root is None or match.index_mode != "onnx":
            return None
        matched = _match_add(scope, root, rows) or _match_where(scope, root, rows)
        if matched is None:
            return None
        tensor, nodes = matched
        difference = _DIFFERENCE.format(twice=2 * rows, above=rows + 1)
        return ids.step(self.name, tensor, nodes, difference)


def _match_add(scope: Scope, root: Node, rows: int) -> tuple[str, tuple[Node, ...]] | None:
    for left, right in _operands(root, "Add"):
        negative, other = _local(scope, left), _local(scope, right)
        if negative is None or other is None:
            continue
        for flag, shifted in _operands(negative, "Mul"):
            cast, plus = _local(scope, flag), _local(scope, shifted)
            less = _less_than_zero(scope, cast)
            x = _plus_rows(scope, plus, rows)
            if cast is None or plus is None or less is None or x is None or less[0] != x:
                continue
            kept = _kept_branch(scope, other, x, less[1][0])
            if kept is not None:
                nodes = (root, negative, other, cast, plus, *less[1], *kept)
                return x, tuple(dict.fromkeys(nodes))
    return None


def _match_where(scope: Scope, root: Node, rows: int) -> tuple[str, tuple[Node, ...]] | None:
    if root.op != "Where" or len(root.inputs) != 3:
        return None
    flag, shifted, x = root.inputs
    less_node, plus = _local(scope, flag), _local(scope, shifted)
    less = _less(scope, less_node)
    if less is None or plus is None or less[0] != x or _plus_rows(scope, plus, rows) != x:
        return None
    return x, (root, plus, *less[1])


def _less_than_zero(scope: Scope, cast: Node | None) -> tuple[str, tuple[Node, ...]] | None:
    """For Cast(Less(...)) to an integer: as `_less`."""
    if cast is None or cast.op != "Cast":
        return None
    return _less(scope, _local(scope, cast.input(0)))


def _less(scope: Scope, node: Node | None) -> tuple[str, tuple[Node, ...]] | None:
    """For Less(x, 0) or Less(Cast(x), 0): x and the nodes, the Less first."""
    if node is None or node.op != "Less" or scalar(scope, node.input(1)) != 0:
        return None
    before = _local(scope, node.input(0))
    if before is not None and before.op == "Cast" and before.attribute("to") in (1, 10, 11, 16):
        return before.input(0), (node, before)
    return node.input(0), (node,)


def _plus_rows(scope: Scope, node: Node | None, rows: int) -> str | None:
    """For Add(x, rows): x."""
    if node is None:
        return None
    for x, constant in _operands(node, "Add"):
        if scalar(scope, constant) == rows:
            return x
    return None


def _kept_branch(scope: Scope, node: Node, x: str, less: Node) -> tuple[Node, ...] | None:
    """For Mul(x, Cast(Not(less))): the Cast and the Not."""
    for left, right in _operands(node, "Mul"):
        cast = _local(scope, right)
        if left != x or cast is None or cast.op != "Cast":
            continue
        negation = _local(scope, cast.input(0))
        if negation is not None and negation.op == "Not" and negation.input(0) == less.outputs[0]:
            return cast, negation
    return None


def _operands(node: Node, op: str) -> Iterator[tuple[str, str]]:
    """The two operands of a commutative node of type `op`, both ways round."""
    if node.op == op and len(node.inputs) == 2:
        yield node.input(0), node.input(1)
        yield node.input(1), node.input(0)


def _local(scope: Scope, name: str) -> Node | None:
    """The node of this very graph that makes `name`."""
    return scope.producers.get(name)
