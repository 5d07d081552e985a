"""Progress of long work: a plain callback below, bars on a terminal above.

Work calls `progress(label, done, total)`; what it shows, if anything, is the caller's choice. Bars
go to standard error and only when that is a terminal; elsewhere a line is printed now and then, so
that a log of a long conversion is not silent.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_SECONDS = 10.0
"""Seconds between two lines of a log."""


class Progress(Protocol):
    """What long work calls."""

    def __call__(self, label: str, done: int, total: int) -> None:
        """Says that `done` of `total` units (bytes, batches) of the work named `label` are done."""


def silent(label: str, done: int, total: int) -> None:
    """Shows nothing."""


class _Lines:
    """Prints a line every `LINE_SECONDS`, the first one only after as long."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last >= LINE_SECONDS:
            self._last = now
            percent = 100 * done // total if total else 100
            print(f"{label}: {percent}%", file=sys.stderr, flush=True)


class _Bars:
    """One rich bar per label."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, label: str, done: int, total: int) -> None:
        task = self._tasks.get(label)
        if task is None:
            task = self._tasks[label] = self._bars.add_task(label, total=total)
        self._bars.update(task, completed=done, total=total)


@contextmanager
def shown(*, unit: str = "bytes", quiet: bool = False) -> Iterator[Progress]:
    """Gives a `Progress` that shows itself on standard error while the context lasts.

    Args:
        unit: "bytes" shows sizes and speed; anything else shows counts.
        quiet: show nothing.
    """
    if quiet:
        yield silent
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    counts = (
        (DownloadColumn(binary_units=True), TransferSpeedColumn())
        if unit == "bytes"
        else (MofNCompleteColumn(), TextColumn(unit))
    )
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *counts,
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bars:
        yield _Bars(bars)
