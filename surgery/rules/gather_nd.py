"""GatherND(table, Unsqueeze(ids, [-1])): how torch's dynamo exporter writes `table[ids]`."""

from __future__ import annotations

from hps_trt.surgery.model import Node
from hps_trt.surgery.rules.base import OUT_OF_RANGE, Ids, Match, Refused, find_table
from hps_trt.surgery.values import small_array


class GatherNdRule:
    """GatherND whose index tuples are single row numbers, made by an Unsqueeze at the end."""

    name = "gather_nd"

    def match(self, node: Node) -> Match | Refused | None:
        """See `LookupRule`."""
        if node.op != "GatherND" or len(node.inputs) != 2:
            return None
        table = find_table(node.scope, node.inputs[0])
        if table is None or isinstance(table, Refused):
            return table
        if node.attribute("batch_dims", 0) != 0:
            return Refused("GatherND with batch_dims is no lookup in one table", table)
        if node.scope.constant(node.inputs[1]) is not None:
            return Refused("the ids are constant", table)
        unsqueeze = node.scope.producer(node.inputs[1])
        if unsqueeze is None or unsqueeze.scope is not node.scope or not adds_last_axis(unsqueeze):
            return Refused(
                "the index tuples are not made by an Unsqueeze of the last axis, so they may "
                "have more "
                "than one element",
                table,
            )
        rows = int(table.tensor.dims[0])
        return Match(
            table=table,
            ids=Ids(unsqueeze.inputs[0]),
            index_mode="onnx",
            nodes=(node, unsqueeze),
            differences=(OUT_OF_RANGE.format(rows=rows, last=rows - 1),),
        )


def adds_last_axis(node: Node) -> bool:
    """Whether `node` is an Unsqueeze that adds one axis of extent 1 at the end."""
    if node.op != "Unsqueeze" or not node.inputs:
        return False
    axes = node.attribute("axes")
    if axes is None and len(node.inputs) == 2:
        array = small_array(node.scope, node.inputs[1], most=1)
        axes = None if array is None else array.reshape(-1).tolist()
    if axes is None or len(axes) != 1:
        return False
    return axes[0] in (-1, node.scope.rank(node.inputs[0]))
