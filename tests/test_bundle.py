"""Bundles: what is written, what an edited plan changes, and that failures leave nothing behind."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import xxhash

from hps_trt import bundle, surgery, tables
from hps_trt.errors import UserError
from hps_trt.surgery import SurgeryError

Shop = Callable[..., SimpleNamespace]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def manifest(folder: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((folder / "hps.json").read_text())
    return document


def entries(folder: Path) -> dict[str, dict[str, object]]:
    models = manifest(folder)["models"]
    assert isinstance(models, list) and len(models) == 1
    return {table["name"]: table for table in models[0]["tables"]}


@pytest.mark.parametrize("external", [False, True])
def test_a_bundle_holds_rows_keys_graph_and_plan(
    make_shop: Shop, tmp_path: Path, external: bool
) -> None:
    shop = make_shop(external=external)
    report = bundle.convert(shop.path, tmp_path / "out")
    assert report.bundle == tmp_path / "out"
    assert names(report.bundle) == {"model.onnx", "hps.json", "plan.json", "tables"}
    assert names(report.bundle / "tables") == {"users", "items"}
    for name, rows in (("users", shop.users), ("items", shop.items)):
        folder = report.bundle / "tables" / name
        assert (folder / "emb_vector").read_bytes() == rows.tobytes()
        assert np.array_equal(np.fromfile(folder / "key", np.int64), np.arange(len(rows)))
        entry = entries(report.bundle)[name]
        assert (entry["rows"], entry["dim"], entry["type"]) == (*rows.shape, "fp32")
        assert (entry["keys"], entry["path"]) == ("dense", f"tables/{name}")
        files = entry["files"]
        assert isinstance(files, dict)
        assert files["emb_vector"] == {
            "bytes": rows.nbytes,
            "xxh128": xxhash.xxh3_128_hexdigest(rows.tobytes()),
        }
    graph = onnx.load(str(report.bundle / "model.onnx")).graph
    assert {tensor.name for tensor in graph.initializer} == {"weight", "one"}
    assert [node.op_type for node in graph.node if node.domain == "hps_trt"] == ["HPS_TRT"]
    assert tmp_path.joinpath("out").stat().st_mode & 0o777 == 0o755 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_the_graph_names_the_bundle_by_id_and_by_its_final_place(
    make_shop: Shop, tmp_path: Path
) -> None:
    report = bundle.convert(make_shop().path, tmp_path / "out")
    node = next(
        node
        for node in onnx.load(str(report.bundle / "model.onnx")).graph.node
        if node.op_type == "HPS_TRT"
    )
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert attributes["config_file"] == str(tmp_path / "out/hps.json").encode()
    assert attributes["model_name"] == b"shop"
    assert (
        attributes["bundle_id"].decode() == report.bundle_id == manifest(report.bundle)["bundle_id"]
    )


def test_the_id_is_of_the_rows(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    first = bundle.convert(shop.path, tmp_path / "a")
    again = bundle.convert(shop.path, tmp_path / "b")
    other = bundle.convert(make_shop(seed=4).path, tmp_path / "c")
    assert first.bundle_id == again.bundle_id != other.bundle_id


def test_small_tables_stay_in_the_graph(make_shop: Shop, tmp_path: Path) -> None:
    report = bundle.convert(make_shop().path, tmp_path / "out", min_rows=8)
    assert [table.name for table in report.tables] == ["users"]
    graph = onnx.load(str(report.bundle / "model.onnx")).graph
    assert "items.weight" in {tensor.name for tensor in graph.initializer}
    with pytest.raises(UserError, match=r"no table has 51 rows or more \(the largest has 50\)"):
        bundle.convert(make_shop().path, tmp_path / "none", min_rows=51)


def test_options_reach_the_configuration(make_shop: Shop, tmp_path: Path) -> None:
    options = bundle.Options(model_name="mine", memory="copied", unknown="error", split=True)
    report = bundle.convert(make_shop().path, tmp_path / "out", options)
    assert {entry["memory"] for entry in entries(report.bundle).values()} == {"copied"}
    assert {entry["unknown"] for entry in entries(report.bundle).values()} == {"error"}
    models = manifest(report.bundle)["models"]
    assert isinstance(models, list) and models[0]["name"] == "mine"
    assert names(report.bundle / "split") == {"before.onnx", "lookups.onnx", "dense.onnx"}
    assert all((report.bundle / name).is_file() for name in report.files)


@pytest.mark.parametrize(
    ("file", "name"),
    [("dlrm v2.1.onnx", "dlrm_v2_1"), ("...onnx", "model"), ("x" * 150 + ".onnx", "x" * 120)],
)
def test_model_names_are_made_valid(file: str, name: str) -> None:
    assert bundle.model_name(Path(file), None) == name


def test_a_wrong_model_name_is_refused(make_shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model name '\.\./x'"):
        bundle.convert(make_shop().path, tmp_path / "out", bundle.Options(model_name="../x"))
    assert names(tmp_path) == {"shop.onnx"}


def edited_plan(
    shop: SimpleNamespace, path: Path, edit: Callable[[dict[str, list]], object]
) -> Path:
    plan = surgery.make_plan(surgery.find(surgery.load(shop.path)))
    document = json.loads(plan.to_json())
    edit(document)
    path.write_text(json.dumps(document))
    return path


def test_a_lookup_dropped_from_the_plan_stays_in_the_graph(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    plan = edited_plan(shop, tmp_path / "p.json", lambda document: document["lookups"].pop(0))
    report = bundle.apply(shop.path, plan, tmp_path / "out")
    assert names(report.bundle / "tables") == {"items"}
    graph = onnx.load(str(report.bundle / "model.onnx")).graph
    assert "Gather" in {node.op_type for node in graph.node}


def test_a_renamed_table_is_written_under_its_new_name(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    plan = edited_plan(
        shop, tmp_path / "p.json", lambda document: document["lookups"][0].update(table="people")
    )
    report = bundle.apply(shop.path, plan, tmp_path / "out")
    assert (report.bundle / "tables/people/emb_vector").read_bytes() == shop.users.tobytes()
    assert set(entries(report.bundle)) == {"people", "items"}
    written = json.loads((report.bundle / "plan.json").read_text())
    assert written["lookups"][0]["table"] == "people"


@pytest.mark.parametrize("name", ["../evil", "", "a/b", "x" * 121, ".."])
def test_a_table_name_never_becomes_a_path(make_shop: Shop, tmp_path: Path, name: str) -> None:
    shop = make_shop()
    plan = edited_plan(
        shop, tmp_path / "p.json", lambda document: document["lookups"][0].update(table=name)
    )
    with pytest.raises(SurgeryError, match="table"):
        bundle.apply(shop.path, plan, tmp_path / "out")
    assert names(tmp_path) == {"shop.onnx", "p.json"}


def test_a_threshold_in_the_plan_is_applied(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    plan = edited_plan(shop, tmp_path / "p.json", lambda document: document.update(min_rows=8))
    assert [t.name for t in bundle.apply(shop.path, plan, tmp_path / "out").tables] == ["users"]


def test_a_plan_that_replaces_nothing_writes_nothing(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    plan = edited_plan(shop, tmp_path / "p.json", lambda document: document["lookups"].clear())
    with pytest.raises(UserError, match="replaces no lookup"):
        bundle.apply(shop.path, plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_plan_for_another_model_is_refused(make_shop: Shop, tmp_path: Path) -> None:
    plan = edited_plan(make_shop(), tmp_path / "p.json", lambda document: None)
    other = make_shop("other.onnx", rows=(51, 7))
    with pytest.raises(SurgeryError, match="made for another model"):
        bundle.apply(other.path, plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "dangling link"])
def test_an_output_that_exists_is_left_alone(make_shop: Shop, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="out exists already"):
        bundle.convert(make_shop().path, out)
    assert names(tmp_path) == {"shop.onnx", "out"}


def test_a_folder_made_during_the_conversion_is_left_alone(make_shop: Shop, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def meddle(label: str, done: int, total: int) -> None:
        out.mkdir(exist_ok=True)

    with pytest.raises(UserError, match="made it during the conversion"):
        bundle.convert(make_shop().path, out, progress=meddle)
    assert names(tmp_path) == {"shop.onnx", "out"} and names(out) == set()


def test_a_missing_parent_is_named(make_shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no/such is no folder"):
        bundle.convert(make_shop().path, tmp_path / "no/such/out")


def test_nothing_found_says_why(tmp_path: Path, save_graph: Callable[..., Path]) -> None:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [value("x", TensorProto.FLOAT, ["n"])],
        [value("y", TensorProto.FLOAT, ["n"])],
    )
    with pytest.raises(UserError, match="no embedding lookup was found"):
        bundle.convert(save_graph(graph, tmp_path / "m.onnx"), tmp_path / "out")
    wide = onnx.numpy_helper.from_array(np.zeros((4, 2), np.float64), "wide")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["wide", "ids"], ["y"], name="/wide/Gather")],
        "g",
        [value("ids", TensorProto.INT64, ["n"])],
        [value("y", TensorProto.DOUBLE, ["n", 2])],
        [wide],
    )
    with pytest.raises(UserError, match="no lookup can be replaced: /wide/Gather: "):
        bundle.convert(save_graph(graph, tmp_path / "w.onnx"), tmp_path / "out")


def test_a_dry_run_reports_the_same_and_writes_nothing(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    planned = bundle.convert(shop.path, tmp_path / "out", dry_run=True)
    assert names(tmp_path) == {"shop.onnx"} and planned.bundle_id is None
    written = bundle.convert(shop.path, tmp_path / "out")
    assert planned.tables == written.tables and planned.files == written.files
    sizes = [p.stat().st_size for p in (tmp_path / "out/tables").rglob("*") if p.is_file()]
    assert planned.table_bytes == sum(sizes)


@pytest.mark.parametrize("cut", [0, 1, 7, 100, -1])
def test_a_truncated_model_writes_nothing(make_shop: Shop, tmp_path: Path, cut: int) -> None:
    shop = make_shop()
    data = shop.path.read_bytes()
    shop.path.write_bytes(data[:cut])
    with pytest.raises((SurgeryError, UserError)):
        bundle.convert(shop.path, tmp_path / "out")
    assert names(tmp_path) == {"shop.onnx"}


@pytest.mark.parametrize("size", [None, 100])
@pytest.mark.parametrize("dry_run", [False, True])
def test_missing_or_short_external_data_is_named(
    make_shop: Shop, tmp_path: Path, size: int | None, dry_run: bool
) -> None:
    shop = make_shop(external=True)
    data = tmp_path / "shop.onnx.data"
    if size is None:
        data.unlink()
    else:
        os.truncate(data, size)
    with pytest.raises(SurgeryError, match=r"shop\.onnx\.data"):
        bundle.convert(shop.path, tmp_path / "out", dry_run=dry_run)
    assert names(tmp_path) <= {"shop.onnx", "shop.onnx.data"}


def test_nan_bytes_survive_conversion(make_shop: Shop, tmp_path: Path) -> None:
    users = np.random.default_rng(0).integers(0, 2**32, (9, 8), np.uint32).view(np.float32)
    users.view(np.uint32)[3] = np.array([0x7FC00001, 0xFFC00000, 0x7F800001] * 3)[:8]
    shop = make_shop(user_rows=users)
    report = bundle.convert(shop.path, tmp_path / "out")
    assert (report.bundle / "tables/users/emb_vector").read_bytes() == users.tobytes()


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("limit", [100, 1599])
def test_a_disk_that_takes_no_more_leaves_nothing(
    make_shop: Shop, tmp_path: Path, limit: int
) -> None:
    shop = make_shop()
    with files_limited_to(limit), pytest.raises((OSError, UserError, SurgeryError), match="large"):
        bundle.convert(shop.path, tmp_path / "out")
    assert names(tmp_path) == {"shop.onnx"}


def test_a_full_disk_in_the_middle_leaves_nothing(
    make_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = make_shop()
    write = os.write
    taken = 0

    def full_soon(descriptor: int, data: memoryview) -> int:
        nonlocal taken
        if taken + len(data) > 1700:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken += len(data)
        return write(descriptor, data)

    monkeypatch.setattr(tables.os, "write", full_soon)
    with pytest.raises(OSError, match="No space left") as caught:
        bundle.convert(shop.path, tmp_path / "out")
    assert str(caught.value.filename).endswith(("key", "emb_vector"))
    assert names(tmp_path) == {"shop.onnx"}


def test_too_little_room_is_said_before_anything_is_written(
    make_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2000))
    with pytest.raises(UserError, match="the tables need 2168 bytes and 2000 are free"):
        bundle.convert(make_shop().path, tmp_path / "out")
    assert names(tmp_path) == {"shop.onnx"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interruption_leaves_nothing(
    make_shop: Shop, tmp_path: Path, error: type[BaseException]
) -> None:
    def interrupt(label: str, done: int, total: int) -> None:
        raise error

    with pytest.raises(error):
        bundle.convert(make_shop().path, tmp_path / "out", progress=interrupt)
    assert names(tmp_path) == {"shop.onnx"}


def test_killed_in_the_middle_there_is_no_bundle(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    code = (
        "import sys, time; from pathlib import Path; from hps_trt import bundle\n"
        "def wait(label, done, total): print('writing', flush=True); time.sleep(600)\n"
        "bundle.convert(Path(sys.argv[1]), Path(sys.argv[2]), progress=wait)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(shop.path), str(tmp_path / "out")], stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdout.readline() == b"writing\n"
    child.kill()
    child.wait()
    child.stdout.close()
    left = names(tmp_path) - {"shop.onnx"}
    assert len(left) == 1 and left.pop().startswith(".out.tmp-")
    # What it left hinders nobody, and a second try gives a whole bundle.
    assert bundle.convert(shop.path, tmp_path / "out").bundle.is_dir()


def test_two_conversions_into_one_folder_give_one_bundle(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    code = (
        "import sys; from pathlib import Path; from hps_trt import bundle\n"
        "bundle.convert(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", code, str(shop.path), str(tmp_path / "out")]
    children = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert sorted(child.wait() for child in children)[0] == 0
    assert names(tmp_path) == {"shop.onnx", "out"}
    assert names(tmp_path / "out") == {"model.onnx", "hps.json", "plan.json", "tables"}


def test_read_manifest_refuses_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no bundle"):
        bundle.read_manifest(tmp_path)
    (tmp_path / "model.onnx").touch()
    (tmp_path / "hps.json").write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        bundle.read_manifest(tmp_path)
