"""Exports every fixture afresh, converts it, and compares the bundle with the framework itself.

Run by `scripts/test.sh --exporters` in an environment that has PyTorch, and again in one that has
TensorFlow; each runs the part whose framework it can import.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hps_trt import bundle, session, surgery

if TYPE_CHECKING:
    from fixture import Case, Expected

pytestmark = pytest.mark.exporters

# The fixtures' modules are scripts of their own folder.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures"))

HAVE_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "onnxscript"))
HAVE_TENSORFLOW = all(importlib.util.find_spec(name) for name in ("tensorflow", "tf2onnx"))

TORCH: list[tuple[str, str]] = []
TENSORFLOW: list[str] = []
if HAVE_TORCH:
    import torch_export

    TORCH = [(e, name) for name, entry in torch_export.exports().items() for e in entry.expected]
if HAVE_TENSORFLOW:
    import tf_export

    TENSORFLOW = list(tf_export.exports())


def converted_is_the_framework(
    path: Path, cases: dict[str, Case], expected: Expected, tmp_path: Path
) -> None:
    """Finds what was promised, converts, and compares with the framework and the original."""
    findings = surgery.find(surgery.load(path))
    found = sorted((lookup.rows, lookup.dim, len(lookup.nodes)) for lookup in findings.lookups)
    assert found == sorted((lookup.rows, lookup.dim, lookup.nodes) for lookup in expected.lookups)

    folder = tmp_path / "bundle"
    bundle.convert(path, folder)
    with session.open_session(folder) as opened:
        names = [value.name for value in opened.session.get_inputs()]
        # Exporters rename inputs; their order is the same.
        feeds = [dict(zip(names, case.inputs.values(), strict=True)) for case in cases.values()]
        for feed, case in zip(feeds, cases.values(), strict=True):
            outputs = list(opened.run(feed).values())
            for got, wanted in zip(outputs, case.outputs, strict=True):
                assert got.dtype == wanted.dtype and got.shape == wanted.shape
                np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    # Against the exported model itself every bit has to agree.
    result = session.check(folder, path, feeds=feeds)
    assert result.equal, result


@pytest.mark.skipif(not HAVE_TORCH, reason="PyTorch is not in this environment")
@pytest.mark.parametrize(("exporter", "name"), TORCH)
def test_torch(exporter: str, name: str, tmp_path: Path) -> None:
    entry = torch_export.exports()[name]
    path = tmp_path / "model.onnx"
    cases = torch_export.export(exporter, name, entry, path)
    converted_is_the_framework(path, cases, entry.expected[exporter], tmp_path)


@pytest.mark.skipif(not HAVE_TENSORFLOW, reason="TensorFlow is not in this environment")
@pytest.mark.parametrize("name", TENSORFLOW)
def test_tensorflow(name: str, tmp_path: Path) -> None:
    entry = tf_export.exports()[name]
    path = tmp_path / "model.onnx"
    cases = tf_export.export(entry, path)
    converted_is_the_framework(path, cases, entry.expected, tmp_path)
