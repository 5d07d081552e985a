"""The fixture models: what ONNX Runtime says of them, and what a search finds in them.

`fixtures/make_fixtures.py` writes them, with the exporters' own outputs; `fixtures/fixture.py` says
what lies in the files. Nothing here needs PyTorch or TensorFlow.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from hps_trt import surgery

MODELS = Path(__file__).parent / "fixtures" / "models"
ALL = sorted(path.relative_to(MODELS).with_suffix("").as_posix() for path in MODELS.rglob("*.onnx"))


def read(name: str) -> tuple[Path, dict[str, Any], dict[str, dict[str, dict[str, np.ndarray]]]]:
    """Model, promise, and arrays by case, "in" or "out", and name."""
    path = MODELS / f"{name}.onnx"
    cases: dict[str, dict[str, dict[str, np.ndarray]]] = {}
    with np.load(path.with_suffix(".npz")) as arrays:
        for key in arrays:
            case, side, tensor = key.split("/", 2)
            cases.setdefault(case, {"in": {}, "out": {}})[side][tensor] = arrays[key]
    return path, json.loads(path.with_suffix(".json").read_text(encoding="utf-8")), cases


def test_there_are_models_of_every_exporter() -> None:
    groups = Counter(name.split("/")[0] for name in ALL)
    assert set(groups) == {"handmade", "tf", "torch_dynamo", "torch_legacy"}
    assert all(count >= 10 for count in groups.values()), groups


@pytest.mark.parametrize("name", ALL)
def test_onnx_runtime_agrees_with_the_framework(name: str) -> None:
    path, _, cases = read(name)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    for case, arrays in cases.items():
        # Exporters rename inputs ("ids:0"); their order is the same.
        feed = dict(zip(names, arrays["in"].values(), strict=True))
        outputs = session.run(None, feed)
        assert len(outputs) == len(arrays["out"]) > 0
        for number, got in enumerate(outputs):
            wanted = arrays["out"][str(number)]
            assert got.dtype == wanted.dtype and got.shape == wanted.shape, case
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5, err_msg=case)


@pytest.mark.parametrize("name", ALL)
def test_the_search_finds_what_was_promised(name: str) -> None:
    path, promise, _ = read(name)
    findings = surgery.find(surgery.load(path))
    keys = ("rows", "dim", "nodes", "dtype", "index_mode", "ids_dtype", "column", "subgraph")
    wanted = Counter(tuple(lookup[key] for key in keys) for lookup in promise["lookups"])
    found = Counter(
        (
            lookup.rows,
            lookup.dim,
            len(lookup.nodes),
            lookup.dtype,
            lookup.index_mode,
            lookup.ids_dtype,
            lookup.ids_column,
            lookup.scope != "",
        )
        for lookup in findings.lookups
    )
    assert found == wanted
    assert len({lookup.table for lookup in findings.lookups}) == promise["tables"]
    reasons = [refusal.reason for refusal in findings.refused]
    assert len(reasons) == len(promise["refused"]), reasons
    for words in promise["refused"]:
        assert any(words in reason for reason in reasons), reasons
