"""MatMul(one_hot(ids), table): the same rows, picked by a multiplication.

Two spellings of the one-hot tensor, each with any Casts before the MatMul:

    OneHot(ids, rows, [0, 1]) {axis=-1}                     torch's legacy exporter, tf2onnx
    Equal(Unsqueeze(ids, [-1]), [0, 1, ..., rows-1])        torch's dynamo exporter

OneHot lets -rows..-1 count from the end, so it is index mode "onnx"; Equal matches no negative id,
so it is "key". An id out of range gives zeros in both, as a table's default vector does by default.
"""

from __future__ import annotations

import numpy as np

from hps_trt.surgery.model import Constant, Node, Scope
from hps_trt.surgery.rules.base import Ids, Match, Refused, find_table
from hps_trt.surgery.rules.gather_nd import adds_last_axis
from hps_trt.surgery.values import small_array

_MOST_ROWS = 1 << 24
_DIFFERENCES = (
    "one row with NaN or an infinity made every row NaN in that column in the original; here "
    "each row "
    "is as it is stored",
    "-0.0 elements came out of the original's multiplication as 0.0; here they are as stored",
    "an id out of range gave zeros in the original; here it gives the table's default vector, "
    "which is "
    "zeros unless configured otherwise",
)


class OneHotMatMulRule:
    """A MatMul of a one-hot tensor and a table."""

    name = "one_hot_matmul"

    def match(self, node: Node) -> Match | Refused | None:
        """See `LookupRule`."""
        if node.op != "MatMul" or len(node.inputs) != 2:
            return None
        scope = node.scope
        source, casts = _before_casts(scope, node.input(0))
        if source is None or source.op not in ("OneHot", "Equal"):
            return None
        if source.op == "Equal" and not _unsqueezed(scope, source):
            return None
        table = find_table(scope, node.input(1))
        if table is None or isinstance(table, Refused):
            return table
        rows = int(table.tensor.dims[0])
        answer = _one_hot(source, rows) if source.op == "OneHot" else _equal(source, rows)
        if isinstance(answer, str):
            return Refused(answer, table)
        ids, index_mode, nodes = answer
        return _match(table, ids, index_mode, (node, *casts, *nodes))


def _match(table: Constant, ids: str, index_mode: str, nodes: tuple[Node, ...]) -> Match:
    return Match(
        table=table, ids=Ids(ids), index_mode=index_mode, nodes=nodes, differences=_DIFFERENCES
    )


def _before_casts(scope: Scope, name: str) -> tuple[Node | None, tuple[Node, ...]]:
    """The node before any Casts, and the Casts."""
    casts: list[Node] = []
    node = scope.producers.get(name)
    while node is not None and node.op == "Cast":
        casts.append(node)
        node = scope.producers.get(node.input(0))
    return node, tuple(casts)


def _one_hot(node: Node, rows: int) -> tuple[str, str, tuple[Node, ...]] | str:
    """Ids, index mode and nodes of a OneHot, or the reason against it."""
    scope = node.scope
    depth = small_array(scope, node.input(1), most=1)
    values = small_array(scope, node.input(2), most=2)
    if depth is None or values is None:
        return "depth or values of the OneHot are computed in the graph"
    if depth.size != 1 or depth.item() != rows:
        return f"the OneHot is {depth.reshape(-1).tolist()} wide, the table has {rows} rows"
    if values.reshape(-1).tolist() != [0, 1]:
        return f"the OneHot's values are {values.reshape(-1).tolist()}, not [0, 1]"
    axis = node.attribute("axis", -1)
    if axis != -1 and axis != scope.rank(node.input(0)):
        return f"the OneHot's axis is {axis}, not the last"
    return node.input(0), "onnx", (node,)


def _equal(node: Node, rows: int) -> tuple[str, str, tuple[Node, ...]] | str:
    """Ids, index mode and nodes of an Equal with 0..rows-1, or the reason against it."""
    scope = node.scope
    for left, right in ((node.input(0), node.input(1)), (node.input(1), node.input(0))):
        unsqueeze = scope.producers.get(left)
        numbers = small_array(scope, right, most=_MOST_ROWS)
        if unsqueeze is None or numbers is None or not adds_last_axis(unsqueeze):
            continue
        if numbers.shape != (rows,) or not np.array_equal(numbers, np.arange(rows)):
            return f"the ids are compared with other numbers than 0..{rows - 1}"
        return unsqueeze.input(0), "key", (node, unsqueeze)
    return "the numbers that the ids are compared with are computed in the graph"


def _unsqueezed(scope: Scope, node: Node) -> bool:
    makers = (scope.producers.get(name) for name in node.inputs)
    return any(maker is not None and adds_last_axis(maker) for maker in makers)
