"""Progress: bars on a terminal, lines now and then elsewhere, nothing when quick or quiet."""

import io
import sys

import pytest

from hps_trt import progress


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_quick_work_prints_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown() as told:
        for done in range(100):
            told("writing", done, 100)
    assert capsys.readouterr() == ("", "")


def test_long_work_prints_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.shown() as told:
        for done in range(0, 101, 10):
            now = done / 4
            told("writing", done, 100)
    assert capsys.readouterr() == ("", "writing: 40%\nwriting: 80%\n")


def test_work_of_size_nothing_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with progress.shown() as told:
        told("writing", 0, 0)
    assert capsys.readouterr().err == "writing: 100%\n"


@pytest.mark.parametrize("unit", ["bytes", "batches"])
def test_a_terminal_shows_bars_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown(unit=unit) as told:
        told("comparing", 1, 4)
        told("comparing", 4, 4)
    assert "comparing" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_quiet_shows_nothing_even_there(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.shown(quiet=True) as told:
        told("comparing", 1, 4)
    assert terminal.getvalue() == ""
