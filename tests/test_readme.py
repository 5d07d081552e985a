"""The README: its commands run as they are written there, and what it points at exists."""

import os
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

Shop = Callable[..., SimpleNamespace]
Run = Callable[..., tuple[int, str, str]]


def section(title: str) -> str:
    start = TEXT.index(f"\n## {title}\n")
    end = TEXT.find("\n## ", start + 1)
    return TEXT[start : end if end > 0 else len(TEXT)]


def commands(title: str) -> list[list[str]]:
    """The words of each `hps-trt` line in the section's blocks, comments left out."""
    blocks = re.findall(r"^```\n(.*?)^```$", section(title), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in lines if line.startswith("hps-trt ")]
    return [line[1:] for line in words]


def test_the_main_job_runs_as_written(
    make_shop: Shop, cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but building an engine, which needs TensorRT: here as on a machine without it."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    shop = make_shop("model.onnx")
    items, price = np.zeros((2, 3), np.int32), np.zeros((2, 2), np.float32)
    np.savez(tmp_path / "in.npz", user=np.array([3, 49]), items=items, price=price)
    np.save(tmp_path / "keys.npy", np.array([49, 3]))
    lines = commands("The main job")
    assert [words[0] for words in lines[:5]] == ["inspect", "convert", "check", "run", "build"]
    for words in lines:
        code, out, err = cli(*words)
        if words[0] == "build":
            assert code == 1 and "pip install tensorrt" in err
            for more in (["--dry-run"], ["--trtexec", "--dry-run"]):
                code, out, err = cli(*words, *more)
                assert (code, err) == (0, "") and "bundle/model.onnx" in out
        elif words[0] == "doctor":
            assert code == 0 and "lookups from host memory work" in out
        else:
            assert (code, err) == (0, "") and out, (words, out, err)
    with np.load(tmp_path / "out.npz") as outputs:
        assert np.array_equal(outputs["user_rows"], shop.users[[3, 49]])
    assert np.array_equal(np.load(tmp_path / "rows.npy"), shop.users[[49, 3]])
    # The picture of a bundle is what was written.
    for path in ("model.onnx", "tables/users/key", "tables/users/emb_vector", "hps.json"):
        assert (tmp_path / "bundle" / path).is_file()


def test_every_command_is_shown(cli: Run) -> None:
    listed = re.search(r"^ {2}COMMAND\n((?: {4}.*\n)+)", cli("--help")[1], re.MULTILINE)
    assert listed is not None
    known = set(re.findall(r"^ {4}(\S+)", listed[1], re.MULTILINE))
    assert {words[0] for words in commands("The main job")} == known and len(known) == 11


@pytest.mark.parametrize("words", commands("The main job"), ids=" ".join)
def test_what_is_said_of_all_commands(words: list[str], cli: Run) -> None:
    command = words[:2] if words[0] == "config" else words[:1]
    code, out, err = cli(*command, "--help")
    assert code == 0 and err == "" and out.startswith("usage: hps-trt")
    writes = {"-o", "--output", "--outputs"} & set(words)
    assert ("--dry-run" in out) == bool(writes)
    assert ("--json" in out) == (words[0] != "plugin-path")


def test_what_it_points_at_exists() -> None:
    quoted = re.findall(r"`([^`\n]+)`", TEXT) + re.findall(r"^(scripts/\S+)", TEXT, re.MULTILINE)
    roots = {entry.name for entry in os.scandir(ROOT) if entry.is_dir()}
    paths = {text for text in quoted if text.split("/")[0] in roots and " " not in text}
    assert {"scripts/demo.sh", "scripts/test.sh", "plugin_src/OPERATOR.md"} <= paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
