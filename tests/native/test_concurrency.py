"""Lookups of many threads while everything around them changes."""

import ctypes
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hps_trt import native
from hps_trt.native import Service

Make = Callable[..., Any]
ROWS, DIM = 200, 16
PUT = 5e6


def generation(number: int) -> np.ndarray:
    """A table whose rows say which row of which generation they are, in every element."""
    return np.repeat(np.arange(ROWS, dtype=np.float32)[:, None] + 1000 * number, DIM, axis=1)


class Crowd:
    """Threads that call `step` again and again until the end of a ``with`` block."""

    def __init__(self, count: int, step: Callable[[int], None]) -> None:
        self._step = step
        self._stop = threading.Event()
        self.rounds = 0
        self.errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(count)]

    def _run(self, number: int) -> None:
        try:
            while not self._stop.is_set():
                self._step(number)
                self.rounds += 1
        except BaseException as error:  # noqa: BLE001  told to the test, which fails with it
            self.errors.append(error)

    def wait_for_rounds(self, more: int) -> None:
        goal = self.rounds + more
        while self.rounds < goal and not self.errors:
            time.sleep(0.001)

    def __enter__(self) -> "Crowd":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.errors:
            raise self.errors[0]


def check_rows(keys: np.ndarray, rows: np.ndarray) -> None:
    first = rows[:, 0]
    assert (rows == first[:, None]).all(), "a row is torn"
    stored = (first == keys + 1000) | (first == keys + 2000)
    assert (stored | (first == PUT) | (first == 0)).all()


def test_lookups_while_tables_are_reloaded_and_changed(
    make_config: Make, rewrite_table: Make
) -> None:
    path = make_config(generation(1))
    table = path.parent / "tables" / "t"
    with Service.open(path) as service:

        def look_up(number: int) -> None:
            keys = np.random.default_rng(number).integers(0, ROWS + 20, 300)
            check_rows(keys, service.lookup("m", "t", keys))

        changed = np.arange(100, ROWS + 20)
        put = np.full((len(changed), DIM), PUT, np.float32)
        until = time.monotonic() + 2
        with Crowd(16, look_up) as crowd:
            number = 0
            while (number < 3 or time.monotonic() < until) and not crowd.errors:
                number += 1
                rewrite_table(table, generation(1 + number % 2))
                service.reload()
                service.put("m", "t", changed, put)
                service.erase("m", "t", changed[::3])
                crowd.wait_for_rounds(16)
        assert crowd.rounds >= 16 * number
        service.reload()
        expected = generation(1 + number % 2)
        assert np.array_equal(service.lookup("m", "t", np.arange(ROWS)), expected)


def test_closing_while_threads_look_up_ends_in_an_error_and_not_in_a_crash(
    make_config: Make,
) -> None:
    path = make_config(generation(1))
    keys = np.arange(ROWS)
    service = Service.open(path)
    closed: list[str] = []

    def look_up(_: int) -> None:
        try:
            check_rows(keys, service.lookup("m", "t", keys))
        except native.NativeUserError as error:
            closed.append(str(error))
            time.sleep(0.001)

    with Crowd(8, look_up) as crowd:
        crowd.wait_for_rounds(50)
        service.close()
        crowd.wait_for_rounds(16)
    assert closed
    assert all("not open" in text for text in closed)


def resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def test_opening_and_closing_keeps_nothing(make_config: Make) -> None:
    rows = np.random.default_rng(0).random((4000, 256), np.float32)  # 4 MB
    path = make_config(rows, memory="copied", threads=2)
    maps = Path("/proc/self/maps")

    def cycle() -> None:
        with Service.open(path) as service:
            found = service.lookup("m", "t", np.arange(4000))
            assert found[-1, -1] == rows[-1, -1]

    for _ in range(5):
        cycle()
    before, mappings = resident_bytes(), len(maps.read_text().splitlines())
    threads = threading.active_count(), len(list(Path("/proc/self/task").iterdir()))
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(60):
        cycle()
    # One table kept per round would be 240 MB.
    assert resident_bytes() - before < 40 << 20
    assert len(maps.read_text().splitlines()) < mappings + 10
    assert threading.active_count() == threads[0]
    until = time.monotonic() + 5  # a joined thread leaves the kernel's list a moment later
    while len(list(Path("/proc/self/task").iterdir())) != threads[1]:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_dlclose_under_load(make_config: Make) -> None:
    """The library is linked never to be unmapped: closing it as often as it likes harms nobody."""
    path = make_config(generation(1))
    keys = np.arange(ROWS)
    dlclose = ctypes.CDLL(None).dlclose
    dlclose.argtypes = (ctypes.c_void_p,)
    with Service.open(path) as service:

        def look_up(_: int) -> None:
            check_rows(keys, service.lookup("m", "t", keys))

        with Crowd(8, look_up) as crowd:
            for _ in range(20):
                again = ctypes.CDLL(str(native.library_path()))
                dlclose(again._handle)
                dlclose(again._handle)
                crowd.wait_for_rounds(8)
        assert np.array_equal(service.lookup("m", "t", keys), generation(1))
