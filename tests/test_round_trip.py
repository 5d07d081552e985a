"""Every committed fixture, exported by torch and TensorFlow: converted, run and bit-equal."""

import json
from pathlib import Path

import numpy as np
import pytest

from hps_trt import bundle, surgery
from hps_trt.errors import UserError
from hps_trt.session import check, make_session
from hps_trt.session.check import Settings

MODELS = Path(__file__).parent / "fixtures" / "models"


def fixtures(*, with_lookups: bool) -> list[object]:
    found = [
        pytest.param(path, id=f"{path.parent.name}/{path.stem}")
        for path in sorted(MODELS.rglob("*.onnx"))
        if bool(json.loads(path.with_suffix(".json").read_text())["lookups"]) == with_lookups
    ]
    assert found, f"no fixtures in {MODELS}"
    return found


def cases(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Inputs by case, as they were given to the framework."""
    given: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        for key in arrays.files:
            case, kind, name = key.split("/", 2)
            if kind == "in":
                given.setdefault(case, {})[name] = arrays[key]
    return given


@pytest.mark.parametrize("path", fixtures(with_lookups=True))
def test_a_fixture_is_converted_and_bit_equal(path: Path, tmp_path: Path) -> None:
    folder = bundle.convert(path, tmp_path / "bundle").bundle
    for result in (
        check(folder, path, Settings(batches=4, batch_size=6)),
        check(folder, path, feeds=list(cases(path).values())),
    ):
        wrong = [one for one in result.comparisons if not one.equal]
        assert result.equal and wrong == []
        assert result.comparisons and all(one.elements for one in result.comparisons)
    # Every lookup of the main graph was compared by itself, not only through the outputs.
    findings = surgery.find(surgery.load(path))
    rows = {one.name.removesuffix(" (as fp32)") for one in result.comparisons if one.kind == "rows"}
    assert rows == {found.output for found in findings.lookups if not found.scope}


@pytest.mark.parametrize("path", fixtures(with_lookups=False))
def test_a_fixture_without_lookups_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no lookup can be replaced|no embedding lookup"):
        bundle.convert(path, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", fixtures(with_lookups=True))
def test_made_up_inputs_suit_the_original(path: Path) -> None:
    """Random ids never fall outside a table of the original, whatever stands between."""
    from hps_trt.session import input_ranges

    model = surgery.load(path)
    ranges = input_ranges(model.proto, surgery.find(model).lookups)
    session = make_session(path)
    for batch in range(4):
        session.run(None, ranges.draw(11, batch, 5))
