"""Gather(table, ids) along the first axis: how almost every exporter writes an embedding.

The axis attribute may be missing (torch's legacy exporter) or 0 (torch's dynamo exporter, tf2onnx).
"""

from __future__ import annotations

from hps_trt.surgery.model import Node
from hps_trt.surgery.rules.base import OUT_OF_RANGE, Ids, Match, Refused, find_table


class GatherRule:
    """Gather with axis 0 on a constant table and ids that are not constant."""

    name = "gather"

    def match(self, node: Node) -> Match | Refused | None:
        """See `LookupRule`."""
        if node.op != "Gather" or len(node.inputs) != 2:
            return None
        table = find_table(node.scope, node.inputs[0])
        if table is None or isinstance(table, Refused):
            constant_ids = node.scope.constant(node.inputs[1]) is not None
            return None if constant_ids else table
        axis = node.attribute("axis", 0)
        if axis not in (0, -2):
            return Refused(f"gathers along axis {axis}; rows are gathered along axis 0", table)
        rows = int(table.tensor.dims[0])
        return Match(
            table=table,
            ids=Ids(node.inputs[1]),
            index_mode="onnx",
            nodes=(node,),
            differences=(OUT_OF_RANGE.format(rows=rows, last=rows - 1),),
        )
