"""Large initializers inside a model file stay there until they are streamed."""

import os
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx_models import (
    BINDING,
    FLOAT,
    INT64,
    assert_same,
    model,
    node,
    read_tables,
    run,
    table,
    value,
)
from reference_op import expand

from hps_trt import surgery
from hps_trt.surgery.lazy import LEAST_BYTES


def large_model():
    """A table of 2 MB, one of 80 bytes, and a dense weight of 2 MB."""
    return model(
        [
            node("Gather", ["big.weight", "ids"], ["rows"]),
            node("Gather", ["small.weight", "few"], ["other"]),
            node("MatMul", ["rows", "dense"], ["out"]),
        ],
        [value("ids", INT64, ["B"]), value("few", INT64, ["B"])],
        [value("out", FLOAT, ["B", 8192]), value("other", FLOAT, ["B", 2])],
        {
            "big.weight": table(8192, 64),
            "small.weight": table(10, 2, 1),
            "dense": table(64, 8192, 2),
        },
    )


FEEDS = {"ids": np.array([0, 8191, -8192]), "few": np.array([9, -1, 0])}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(large_model().SerializeToString())
    return path


def test_only_large_tensors_stay_in_the_file(path):
    loaded = surgery.load(path)
    inside = {t.name: t.HasField("raw_data") for t in loaded.proto.graph.initializer}
    assert inside == {"big.weight": False, "small.weight": True, "dense": False}
    assert len(loaded.proto.SerializeToString()) < 2000
    found, whole = surgery.find(loaded), surgery.find(surgery.load(large_model()))
    assert found == whole


def test_the_bundle_is_the_same(path, tmp_path):
    loaded = surgery.load(path)
    plan = surgery.make_plan(surgery.find(loaded))
    tables = read_tables(surgery.table_sources(loaded, plan))
    assert tables["big"].tobytes() == table(8192, 64).tobytes()
    new = surgery.apply(loaded, plan, BINDING)
    out = tmp_path / "out"
    out.mkdir()
    surgery.save(new, out / "model.onnx", source_dir=path.parent)
    path.unlink()
    assert (out / "model.onnx.data").stat().st_size == 64 * 8192 * 4
    assert_same(
        run(expand(onnx.load(out / "model.onnx"), tables), FEEDS), run(large_model(), FEEDS)
    )


def test_loading_takes_little_memory(path):
    tracemalloc.start()
    try:
        loaded = surgery.load(path)
        surgery.find(loaded)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LEAST_BYTES


def test_a_link_to_a_model_elsewhere_is_read_whole(path, tmp_path):
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "model.onnx").symlink_to(path)
    loaded = surgery.load(folder / "model.onnx")
    assert all(tensor.HasField("raw_data") for tensor in loaded.proto.graph.initializer)


def test_external_tensors_are_left_as_they_are(tmp_path):
    path = tmp_path / "model.onnx"
    proto = large_model()
    onnx.save_model(proto, path, save_as_external_data=True, location="d.bin", size_threshold=0)
    padded = onnx.load(path, load_external_data=False)
    padded.doc_string = "x" * LEAST_BYTES
    path.write_bytes(padded.SerializeToString())
    assert surgery.load(path).proto == padded


@pytest.mark.parametrize("cut", [1, 1000, 2 << 20, 3 << 20, 4 << 20])
def test_a_large_file_that_is_cut_short(path, cut):
    os.truncate(path, path.stat().st_size - cut)
    with pytest.raises(surgery.SurgeryError, match=r"model\.onnx: not an ONNX model"):
        surgery.load(path)


def test_large_files_of_other_kinds(tmp_path):
    path = tmp_path / "model.onnx"
    for data in (b"\0" * (2 << 20), b"\xff" * (2 << 20), b"text " * 500_000):
        path.write_bytes(data)
        with pytest.raises(surgery.SurgeryError, match=r"model\.onnx: not an ONNX model"):
            surgery.load(path)


def test_random_damage_fails_cleanly_or_not_at_all(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        broken = bytearray(data)
        position = int(rng.choice([rng.integers(200), len(data) - rng.integers(1, 200)]))
        broken[position] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        try:
            loaded = surgery.load(path)
            plan = surgery.make_plan(surgery.find(loaded))
            for source in surgery.table_sources(loaded, plan).values():
                sum(len(block) for block in source.blocks())
        except surgery.SurgeryError as error:
            assert "\n" not in str(error)
