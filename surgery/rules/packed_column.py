"""Gather(packed, k) along the last axis: one of many features that share one integer tensor.

A lookup reads the packed tensor and is told the column, so 26 features need neither 26 index nodes
nor 26 small tensors.
"""

from __future__ import annotations

from dataclasses import replace

from hps_trt.surgery.model import Scope
from hps_trt.surgery.op import IDS_TYPES
from hps_trt.surgery.rules.base import Ids, Match
from hps_trt.surgery.values import scalar

_LARGEST = (1 << 31) - 1


class PackedColumnRule:
    """A scalar, constant column of the last axis."""

    name = "packed_column"

    def strip(self, scope: Scope, ids: Ids, match: Match) -> Ids | None:
        """See `IndexRule`; a negative column needs a known extent to count from."""
        node = scope.producer(ids.tensor)
        if ids.column >= 0 or node is None or node.scope is not scope or node.op != "Gather":
            return None
        packed = node.input(0)
        column = scalar(scope, node.input(1))
        shape = scope.shape(packed)
        if not isinstance(column, int) or scope.elem_type(packed) not in IDS_TYPES:
            return None
        axis = node.attribute("axis", 0)
        if shape is None or axis not in (-1, len(shape) - 1) or not shape:
            return None
        extent = shape[-1]
        if column < 0 and isinstance(extent, int):
            column += extent
        if not 0 <= column <= _LARGEST or (isinstance(extent, int) and column >= extent):
            return None
        return replace(ids.step(self.name, packed, (node,)), column=column)
