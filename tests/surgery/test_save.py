"""Written models: kept tensors travel, ONNX Runtime reads them, failures leave nothing."""

import os

import numpy as np
import onnx
import onnxruntime as ort
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


def dense_model():
    """One lookup, then a large and a small dense weight."""
    return model(
        [
            node("Gather", ["emb.weight", "ids"], ["rows"]),
            node("MatMul", ["rows", "big"], ["wide"]),
            node("Add", ["wide", "bias"], ["out"]),
        ],
        [value("ids", INT64, ["B"])],
        [value("out", FLOAT, ["B", 300])],
        {"emb.weight": table(50, 4), "big": table(4, 300, 1), "bias": table(1, 8, 2)[0, :1]},
    )


def external_model(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "model.onnx"
    onnx.save_model(
        dense_model(), path, save_as_external_data=True, location="all.bin", size_threshold=0
    )
    return path


def converted(path):
    loaded = surgery.load(path)
    plan = surgery.make_plan(surgery.find(loaded))
    tables = read_tables(surgery.table_sources(loaded, plan))
    return surgery.apply(loaded, plan, BINDING), tables


FEEDS = {"ids": np.array([0, 49, -1, -50])}


def test_external_data_that_stays_is_copied(tmp_path):
    path = external_model(tmp_path)
    proto, tables = converted(path)
    out = tmp_path / "out" / "model.onnx"
    out.parent.mkdir()
    before = proto.SerializeToString()
    surgery.save(proto, out, source_dir=path.parent)
    assert proto.SerializeToString() == before
    assert sorted(item.name for item in out.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
    (path.parent / "all.bin").unlink()
    written = onnx.load(out, load_external_data=False)
    stored = {t.name: {e.key: e.value for e in t.external_data} for t in written.graph.initializer}
    assert stored == {
        "big": {"location": "model.onnx.data", "offset": "0", "length": "4800"},
        "bias": {},
    }
    assert_same(run(expand(onnx.load(out), tables), FEEDS), run(dense_model(), FEEDS))


def test_onnx_runtime_reads_the_files(tmp_path):
    """The dense part, which needs no custom operator, straight from the written files."""
    path = external_model(tmp_path)
    proto, tables = converted(path)
    dense = surgery.split(proto).dense
    out = tmp_path / "dense.onnx"
    surgery.save(dense, out, source_dir=path.parent)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(out), options, providers=["CPUExecutionProvider"])
    rows = tables["emb"][FEEDS["ids"]]
    assert_same(session.run(None, {"rows": rows}), run(dense_model(), FEEDS))


def test_without_external_data_there_is_one_file(tmp_path):
    loaded = surgery.load(dense_model())
    proto = surgery.apply(loaded, surgery.make_plan(surgery.find(loaded)), BINDING)
    surgery.save(proto, tmp_path / "m.onnx", source_dir=None)
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
    assert onnx.load(tmp_path / "m.onnx") == proto


def test_tensors_of_one_extent_are_written_once(tmp_path):
    path = external_model(tmp_path)
    proto = onnx.load(path, load_external_data=False)
    twin = proto.graph.initializer.add()
    twin.CopyFrom(proto.graph.initializer[1])
    twin.name = "twin"
    surgery.save(proto, tmp_path / "m.onnx", source_dir=path.parent)
    written = onnx.load(tmp_path / "m.onnx")
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in written.graph.initializer}
    assert arrays["twin"].tobytes() == arrays["big"].tobytes() == table(4, 300, 1).tobytes()
    assert (tmp_path / "m.onnx.data").stat().st_size == 4800


def test_several_tensors_are_aligned(tmp_path):
    proto = dense_model()
    proto.graph.initializer.append(onnx.numpy_helper.from_array(table(99, 5, 9), "spare"))
    folder = tmp_path / "in"
    folder.mkdir()
    onnx.save_model(
        proto, folder / "m.onnx", save_as_external_data=True, location="a.bin", size_threshold=0
    )
    loaded = surgery.load(folder / "m.onnx")
    surgery.save(loaded.proto, tmp_path / "m.onnx", source_dir=folder)
    written = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    offsets = [
        int(entry.value)
        for tensor in written.graph.initializer
        for entry in tensor.external_data
        if entry.key == "offset"
    ]
    assert offsets == [0, 8192]
    assert_same(run(onnx.load(tmp_path / "m.onnx"), FEEDS), run(dense_model(), FEEDS))


def test_external_tensors_in_attributes_and_subgraphs_travel(tmp_path):
    body_table = table(4, 300, 5)
    constant = onnx.numpy_helper.from_array(table(4, 300, 6), "")
    body = onnx.helper.make_graph(
        [node("Constant", [], ["c"], value=constant), node("Add", ["c", "own"], ["sum"])],
        "then",
        [],
        [value("sum", FLOAT, [4, 300])],
        [onnx.numpy_helper.from_array(body_table, "own")],
    )
    proto = model(
        [node("If", ["flag"], ["out"], then_branch=body, else_branch=body)],
        [value("flag", onnx.TensorProto.BOOL, [])],
        [value("out", FLOAT, [4, 300])],
    )
    expected = run(proto, {"flag": np.array(True)})
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "c.bin").write_bytes(b"12345678" + constant.raw_data)
    for attribute in proto.graph.node[0].attribute:
        tensor = attribute.g.node[0].attribute[0].t
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, text in (("location", "c.bin"), ("offset", "8")):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text
    surgery.save(proto, tmp_path / "m.onnx", source_dir=folder)
    assert (tmp_path / "m.onnx.data").stat().st_size == 4800
    written = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    for attribute in written.graph.node[0].attribute:
        tensor = attribute.g.node[0].attribute[0].t
        onnx.external_data_helper.load_external_data_for_tensor(tensor, str(tmp_path))
        tensor.data_location = onnx.TensorProto.DEFAULT
    assert_same(run(written, {"flag": np.array(True)}), expected)


@pytest.mark.parametrize("fault", ["missing", "short", "folder"])
def test_a_failure_leaves_nothing(tmp_path, fault):
    path = external_model(tmp_path)
    proto, _ = converted(path)
    out = tmp_path / "out"
    if fault == "missing":
        (path.parent / "all.bin").unlink()
    elif fault == "short":
        os.truncate(path.parent / "all.bin", 1000)
    if fault != "folder":
        out.mkdir()
    with pytest.raises(surgery.SurgeryError) as caught:
        surgery.save(proto, out / "model.onnx", source_dir=path.parent)
    assert "\n" not in str(caught.value)
    assert not out.exists() or not list(out.iterdir())


def test_a_failure_keeps_the_old_files(tmp_path, monkeypatch):
    path = external_model(tmp_path)
    proto, _ = converted(path)
    out = tmp_path / "model.onnx"
    out.write_bytes(b"old")
    real = os.fsync
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(surgery.SurgeryError, match=r"model\.onnx: cannot be written: No space"):
        surgery.save(proto, out, source_dir=path.parent)
    assert out.read_bytes() == b"old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in", "model.onnx"]
