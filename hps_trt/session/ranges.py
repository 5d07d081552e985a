"""Ranges of integers, and selections of a part of an axis."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """The integers low..high, both included."""

    low: int
    high: int

    def meet(self, other: "Range") -> "Range":
        """What is in both; where nothing is, the ids that are rows of both (at least 0..0)."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Range(low, high) if low <= high else Range(0, max(0, high))

    def shifted(self, least: int, most: int) -> "Range":
        """What x may be so that x + c is in the range for every c of least..most."""
        return Range(self.low - least, self.high - most)

    def rows(self) -> "Range":
        """Without the negative ids, where arithmetic would turn them into something else."""
        return Range(max(0, self.low), max(0, self.high))

    def edge(self, position: int) -> int:
        """One of the first and the last row and, with negative ids, -1 and the lowest, in turn."""
        wanted = (max(0, self.low), self.high, self.low, -1)
        edges = [x for x in dict.fromkeys(wanted) if self.low <= x <= self.high]
        return edges[position % len(edges)]


@dataclass(frozen=True)
class Selection:
    """The indices start..stop-1 of an axis (negative numbers count from the end)."""

    axis: int
    start: int
    stop: int | None  # None: to the end

    @staticmethod
    def one(axis: int, index: int) -> "Selection":
        """A single index."""
        return Selection(axis, index, index + 1 if index != -1 else None)

    def of(self, rank: int) -> int | None:
        """The axis of a tensor of `rank`, counted from 0; None when there is none."""
        return self.axis % rank if -rank <= self.axis < rank else None

    def index(self, rank: int) -> tuple[slice, ...]:
        """Takes the selection out of an array of `rank`; everything when it has no such axis."""
        parts = [slice(None)] * rank
        axis = self.of(rank)
        if axis is not None:
            parts[axis] = slice(self.start, self.stop)
        return tuple(parts)

    def least_extent(self) -> int:
        """How long the axis must be for the selection not to be empty."""
        if self.start < 0:
            return -self.start
        return max(self.start + 1, 0 if self.stop is None else self.stop)
