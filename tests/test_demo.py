"""The demonstration model: its rows, its layout, and that it runs."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from hps_trt import surgery
from hps_trt.demo import dlrm
from hps_trt.errors import UserError

SCALE = 0.0005


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> dlrm.Demo:
    return dlrm.write_model(tmp_path_factory.mktemp("demo"), scale=SCALE)


def rows_of(demo: dlrm.Demo, number: int) -> np.ndarray:
    """The rows of a table, read as ONNX says where they lie."""
    model = onnx.load(str(demo.path), load_external_data=False)
    tensor = dlrm.table_of(model, number)
    place = {entry.key: entry.value for entry in tensor.external_data}
    data = (demo.path.parent / place["location"]).read_bytes()
    start = int(place["offset"])
    assert start % 4096 == 0
    part = data[start : start + int(place["length"])]
    return np.frombuffer(part, np.float32).reshape(tuple(tensor.dims))


def test_the_tables_fit_into_two_gigabytes_and_the_graph_into_the_repository() -> None:
    assert len(dlrm.ROWS) == 26
    places = dlrm.layout(dlrm.ROWS)
    assert places[-1][1] + dlrm.ROWS[-1] * dlrm.DIM * 4 < 2_000_000_000
    assert dlrm.GRAPH.stat().st_size < 1_500_000


def test_rows_are_random_and_different(demo: dlrm.Demo) -> None:
    assert demo.rows == dlrm.scaled_rows(SCALE)
    tables = [rows_of(demo, number) for number in range(26)]
    for rows, count in zip(tables, demo.rows, strict=True):
        assert rows.shape == (count, dlrm.DIM)
        assert np.unique(rows).size > 0.9 * min(rows.size, 1 << 20)
        assert np.abs(rows).max() <= 1 / np.sqrt(count) * 1.0001
    assert not np.array_equal(tables[0], tables[9])


def test_the_same_seed_gives_the_same_rows(demo: dlrm.Demo, tmp_path: Path) -> None:
    again = dlrm.write_model(tmp_path, scale=SCALE)
    assert (tmp_path / dlrm.DATA_NAME).read_bytes() == (
        demo.path.parent / dlrm.DATA_NAME
    ).read_bytes()
    other = dlrm.write_model(tmp_path, scale=SCALE, seed=1)
    assert not np.array_equal(rows_of(other, 2), rows_of(demo, 2))
    assert sorted(p.name for p in tmp_path.iterdir()) == [dlrm.NAME, dlrm.DATA_NAME]
    assert again.path == other.path


def test_it_runs_and_depends_on_every_feature(demo: dlrm.Demo) -> None:
    session = onnxruntime.InferenceSession(demo.path, providers=["CPUExecutionProvider"])
    feed = demo.inputs(64, seed=3)
    click = session.run(None, feed)[0]
    assert click.shape == (64, 1) and np.isfinite(click).all()
    for number, rows in enumerate(demo.rows):
        if rows == 1:
            continue
        changed = {**feed, "cat": feed["cat"].copy()}
        changed["cat"][:, number] = (changed["cat"][:, number] + 1) % rows
        assert not np.array_equal(session.run(None, changed)[0], click), number


def test_a_search_finds_every_table(demo: dlrm.Demo) -> None:
    findings = surgery.find(surgery.load(demo.path))
    assert [lookup.rows for lookup in findings.lookups] == list(demo.rows)
    assert [lookup.ids_column for lookup in findings.lookups] == list(range(26))
    assert {(lookup.dim, lookup.dtype, lookup.ids) for lookup in findings.lookups} == {
        (dlrm.DIM, "fp32", "cat")
    }
    assert findings.refused == ()


def test_inputs_lie_in_the_tables_and_are_skewed(demo: dlrm.Demo) -> None:
    feed = demo.inputs(2000, seed=1)
    assert feed["dense"].shape == (2000, 13) and feed["dense"].dtype == np.float32
    assert feed["cat"].shape == (2000, 26) and feed["cat"].dtype == np.int64
    assert (feed["cat"] >= 0).all() and (feed["cat"] < np.array(demo.rows)).all()
    largest = demo.rows.index(max(demo.rows))
    counts = np.bincount(feed["cat"][:, largest], minlength=demo.rows[largest])
    assert counts[0] > 20 * counts.mean() and (counts > 0).sum() > 50


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5, float("nan")])
def test_a_wrong_scale_is_refused(tmp_path: Path, scale: float) -> None:
    with pytest.raises(UserError, match="scale"):
        dlrm.write_model(tmp_path, scale=scale)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a folder"):
        dlrm.write_model(tmp_path / "none", scale=SCALE)


def test_a_full_disk_is_noticed_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dlrm.shutil, "disk_usage", lambda folder: _Usage(free=100))
    with pytest.raises(UserError, match="100 bytes free"):
        dlrm.write_model(tmp_path, scale=SCALE)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise OSError("no space left")

    def half(path: Path, *_arguments: object) -> None:
        path.write_bytes(b"half")
        broken()

    monkeypatch.setattr(dlrm, "write_file", half)
    with pytest.raises(OSError, match="no space"):
        dlrm.write_model(tmp_path, scale=SCALE)
    assert list(tmp_path.iterdir()) == []


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free
