"""Topological order that disturbs the given one as little as possible."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hps_trt.surgery.errors import SurgeryError


@dataclass(frozen=True)
class Step:
    """A node as far as its order matters; `rank` is where it would like to stand."""

    reads: Iterable[str]
    makes: Iterable[str]
    rank: int


def stable_order(steps: Sequence[Step], where: str) -> list[int]:
    """Positions of `steps` such that everything is made before it is read, lowest rank first.

    Raises:
        SurgeryError: the steps depend on each other in a circle.
    """
    maker = {name: index for index, step in enumerate(steps) for name in step.makes if name}
    readers: dict[int, list[int]] = defaultdict(list)
    missing = [0] * len(steps)
    for index, step in enumerate(steps):
        for other in {maker[name] for name in step.reads if name in maker}:
            readers[other].append(index)
            missing[index] += 1
    ready = [(step.rank, index) for index, step in enumerate(steps) if not missing[index]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(index)
        for reader in readers[index]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(ready, (steps[reader].rank, reader))
    if len(order) != len(steps):
        raise SurgeryError(f"{where}: nodes depend on each other in a circle")
    return order
