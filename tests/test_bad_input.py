"""Bad input: each kind gives a clear line, and nothing half-written. All through the commands."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

Shop = Callable[..., SimpleNamespace]
Run = Callable[..., tuple[int, str, str]]
Mistake = Callable[..., str]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def lookup(table: str, keys: str = "keys.npy", config: str = "bundle") -> tuple[str, ...]:
    return ("lookup", config, "--table", table, "--keys", keys, "-o", "rows.npy")


@pytest.fixture
def hps_folder(tmp_path: Path) -> Callable[..., np.ndarray]:
    """An HPS ps.json over one folder of tables in any key order, as HPS users have them."""

    def make(keys: list[int], **settings: object) -> np.ndarray:
        rows = np.random.default_rng(1).standard_normal((len(keys), 4)).astype(np.float32)
        folder = tmp_path / "hps/t"
        folder.mkdir(parents=True)
        np.array(keys, np.int64).tofile(folder / "key")
        rows.tofile(folder / "emb_vector")
        model = {
            "model": "m",
            "sparse_files": [str(folder)],
            "embedding_table_names": ["t"],
            "embedding_vecsize_per_table": [4],
            "maxnum_catfeature_query_per_table_per_sample": [2],
            "default_value_for_each_table": [0.5],
            **settings,
        }
        (tmp_path / "ps.json").write_text(json.dumps({"supportlonglong": True, "models": [model]}))
        np.save(tmp_path / "keys.npy", np.array(keys))
        return rows

    return make


def test_a_model_cut_short_anywhere_leaves_nothing(
    make_shop: Shop, tmp_path: Path, mistake: Mistake
) -> None:
    shop = make_shop()
    whole = shop.path.read_bytes()
    for cut in [*range(24), *range(24, len(whole), 61), len(whole) - 1]:
        shop.path.write_bytes(whole[:cut])
        assert "shop.onnx" in mistake("convert", "shop.onnx", "-o", "bundle"), cut
        assert names(tmp_path) == {"shop.onnx"}, cut


def test_a_corrupt_model_fails_cleanly_or_gives_a_whole_bundle(
    make_shop: Shop, tmp_path: Path, cli: Run
) -> None:
    """A changed byte may be a changed weight: then there is a bundle, and it has all its parts."""
    shop = make_shop()
    whole = shop.path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 29):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        shop.path.write_bytes(damaged)
        code, out, err = cli("convert", "shop.onnx", "-o", "bundle")
        if code == 0:
            assert names(tmp_path / "bundle") == {"model.onnx", "hps.json", "plan.json", "tables"}
            shutil.rmtree(tmp_path / "bundle")
        else:
            refused += 1
            assert (code, out, err.count("\n")) == (1, "", 1), (place, err)
        assert names(tmp_path) == {"shop.onnx"}, place
    assert refused


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_regular_file_is_not_waited_for(
    make_shop: Shop, tmp_path: Path, mistake: Mistake, cli: Run, kind: str
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    if kind == "pipe":
        os.mkfifo(tmp_path / "odd")
    else:
        (tmp_path / "odd").symlink_to("/dev/zero")
    for words in (
        ("inspect", "odd"),
        ("apply", "shop.onnx", "odd", "-o", "out"),
        ("check", "bundle", "--against", "odd"),
        ("run", "bundle", "--inputs", "odd", "--outputs", "out.npz"),
        lookup("shop/users", "odd"),
        ("config", "check", "odd"),
    ):
        assert "not a regular file" in mistake(*words), words


@pytest.mark.parametrize(
    ("file", "size", "parts"),
    [
        ("emb_vector", 1599, ("1599", "1600")),
        ("emb_vector", 1601, ("1601", "1600")),
        ("emb_vector", 0, ("emb_vector", "1600")),
        ("key", 399, ("399", "400")),
        ("key", 408, ("408", "400")),
        ("key", None, ("No such file",)),
        ("emb_vector", None, ("No such file",)),
    ],
)
def test_a_table_file_of_the_wrong_size_or_missing(
    make_shop: Shop,
    tmp_path: Path,
    mistake: Mistake,
    cli: Run,
    file: str,
    size: int | None,
    parts: tuple[str, ...],
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    np.save(tmp_path / "keys.npy", np.arange(3))
    path = tmp_path / "bundle/tables/users" / file
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)
    message = mistake(*lookup("shop/users"))
    assert str(path) in message and all(part in message for part in parts), message
    assert not (tmp_path / "rows.npy").exists()


def test_a_key_given_twice_is_named_with_both_positions(
    hps_folder: Callable[..., np.ndarray], mistake: Mistake, tmp_path: Path
) -> None:
    hps_folder([7, -3, 1 << 40, 12, -3, 9])
    message = mistake(*lookup("m/t", config="ps.json"))
    assert "key -3 twice, at positions 1 and 4" in message and "hps/t/key" in message
    assert not (tmp_path / "rows.npy").exists()


def test_an_hps_folder_is_served_whatever_the_order_of_its_keys(
    hps_folder: Callable[..., np.ndarray], cli: Run, tmp_path: Path
) -> None:
    rows = hps_folder([7, -3, 1 << 40, 12])
    np.save(tmp_path / "keys.npy", np.array([12, 8, 1 << 40, -3]))
    code, out, err = cli(*lookup("m/t", config="ps.json"))
    assert (code, out, err) == (0, "rows.npy: 4 rows, 1 of them the default vector\n", "")
    default = np.full(4, 0.5, np.float32)
    expected = np.stack([rows[3], default, rows[2], rows[1]])
    assert np.array_equal(np.load(tmp_path / "rows.npy"), expected)


def test_keys_beyond_32_bits_are_an_error_where_ps_json_says_so(
    hps_folder: Callable[..., np.ndarray], mistake: Mistake, tmp_path: Path
) -> None:
    hps_folder([1, 2, 1 << 40])
    document = json.loads((tmp_path / "ps.json").read_text())
    document["supportlonglong"] = False
    (tmp_path / "ps.json").write_text(json.dumps(document))
    message = mistake(*lookup("m/t", config="ps.json"))
    assert str(1 << 40) in message and "hps/t/key" in message


def test_an_unknown_setting_of_ps_json_names_the_nearest(
    hps_folder: Callable[..., np.ndarray], mistake: Mistake
) -> None:
    hps_folder([1, 2], gpucacheprr=0.5)
    message = mistake("config", "check", "ps.json")
    assert "gpucacheprr" in message and '"gpucacheper"' in message and "ps.json" in message


def test_nan_bytes_are_kept_from_the_model_to_the_outputs(
    make_shop: Shop, cli: Run, tmp_path: Path
) -> None:
    users = np.random.default_rng(0).integers(0, 1 << 32, (9, 8), np.uint32)
    users[3] = [0x7FC00001, 0xFFC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0x80000000, 1, 0]
    make_shop(user_rows=users.view(np.float32))
    assert cli("convert", "shop.onnx", "-o", "bundle")[0] == 0
    np.save(tmp_path / "keys.npy", np.arange(9))
    assert cli(*lookup("shop/users"))[0] == 0
    assert np.array_equal(np.load(tmp_path / "rows.npy").view(np.uint32), users)
    items, price = np.zeros((9, 3), np.int32), np.zeros((9, 2), np.float32)
    np.savez(tmp_path / "in.npz", user=np.arange(9), items=items, price=price)
    assert cli("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz")[0] == 0
    with np.load(tmp_path / "out.npz") as outputs:
        assert np.array_equal(outputs["user_rows"].view(np.uint32), users)


def test_ids_out_of_range_give_the_default_vector_and_the_plan_says_so(
    make_shop: Shop, cli: Run, mistake: Mistake, tmp_path: Path
) -> None:
    """The original fails there; what differs is listed where a person reads it."""
    shop = make_shop()
    assert cli("convert", "shop.onnx", "-o", "bundle")[0] == 0
    plan = json.loads((tmp_path / "bundle/plan.json").read_text())
    differences = {entry["table"]: entry["differences"] for entry in plan["lookups"]}
    line = "an id outside {} made the original fail; here it gives the table's default vector"
    assert differences == {"users": [line.format("-50..49")], "items": [line.format("-7..6")]}
    user = np.array([-51, -50, -1, 0, 49, 50])
    items, price = np.zeros((6, 3), np.int32), np.zeros((6, 2), np.float32)
    np.savez(tmp_path / "in.npz", user=user, items=items, price=price)
    assert cli("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz")[0] == 0
    with np.load(tmp_path / "out.npz") as outputs:
        given = outputs["user_rows"]
    assert np.array_equal(given[1:5], shop.users[[0, 49, 0, 49]])
    assert not given[[0, 5]].any()
    message = mistake("check", "bundle", "--against", "shop.onnx", "--inputs", "in.npz")
    assert message.startswith("shop.onnx, batch 0: ") and "idx=-51" in message


@pytest.mark.parametrize(("mode", "known"), [("key", [0, 49]), ("onnx", [0, 49, -1, -50])])
def test_strict_tables_name_the_unknown_key(
    make_shop: Shop, cli: Run, mistake: Mistake, tmp_path: Path, mode: str, known: list[int]
) -> None:
    """Negative ids are unknown keys in mode key, and count from the end in mode onnx."""
    shop = make_shop()
    cli("convert", "shop.onnx", "-o", "bundle", "--unknown", "error")
    for key in (-51, -50, -1, 0, 49, 50):
        np.save(tmp_path / "keys.npy", np.array([3, key]))
        words = (*lookup("shop/users"), "--index-mode", mode, "--force")
        if key in known:
            assert cli(*words)[0] == 0
            assert np.array_equal(np.load(tmp_path / "rows.npy"), shop.users[[3, key]])
        else:
            message = mistake(*words)
            assert "users" in message and str(key) in message, message


def test_a_plan_for_another_model(
    make_shop: Shop, cli: Run, mistake: Mistake, tmp_path: Path
) -> None:
    make_shop()
    make_shop("other.onnx", rows=(51, 7))
    cli("plan", "shop.onnx", "-o", "plan.json")
    message = mistake("apply", "other.onnx", "plan.json", "-o", "bundle")
    assert "made for another model" in message
    assert names(tmp_path) == {"shop.onnx", "other.onnx", "plan.json"}


def test_a_path_that_the_graph_could_not_hold(
    make_shop: Shop, mistake: Mistake, tmp_path: Path
) -> None:
    make_shop()
    assert "not UTF-8" in mistake("convert", "shop.onnx", "-o", os.fsdecode(b"b\xff"))
    assert names(tmp_path) == {"shop.onnx"}


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a command where tmp_path/disk is a disk of so many pages, empty before and looked at
    after; its mount lives in a namespace of its own and ends with it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    isolate = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    mount = f"mount -t tmpfs -o size=$0 none {disk}"

    def run(pages: int, *words: str) -> "subprocess.CompletedProcess[str]":
        size = str(pages * os.sysconf("SC_PAGE_SIZE"))
        if (
            shutil.which("unshare") is None
            or subprocess.run([*isolate, "sh", "-c", mount, size], capture_output=True).returncode
        ):
            pytest.skip("this machine lets nobody mount; test_bundle.py fails writes in other ways")
        script = f'{mount} && "$@"; code=$?; ls -A {disk}; exit $code'
        command = [sys.executable, "-m", "hps_trt.cli.main", *words]
        return subprocess.run(
            [*isolate, "sh", "-c", script, size, *command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )

    return run


@pytest.mark.parametrize("pages", [2, 4, 6, 8])
def test_a_full_disk_leaves_nothing(
    make_shop: Shop,
    on_a_small_disk: Callable[..., "subprocess.CompletedProcess[str]"],
    pages: int,
) -> None:
    """The tables' bytes fit, so the disk is full only in the middle: each file takes whole pages,
    folders may take one too."""
    make_shop()
    done = on_a_small_disk(pages, "convert", "shop.onnx", "-o", "disk/bundle")
    if done.returncode == 0:
        assert pages == 8 and done.stdout.splitlines()[-1] == "bundle"
        return
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "No space left on device" in done.stderr, done.stderr
    assert "disk/.bundle.tmp-" in done.stderr


def test_a_full_disk_leaves_no_file_of_rows(
    make_shop: Shop,
    cli: Run,
    on_a_small_disk: Callable[..., "subprocess.CompletedProcess[str]"],
    tmp_path: Path,
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    np.save(tmp_path / "keys.npy", np.zeros(10_000, np.int64))
    words = lookup("shop/users")[:-1]
    done = on_a_small_disk(3, *words, "disk/rows.npy")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hps-trt: error: disk/rows.npy: No space left on device\n"
    done = on_a_small_disk(200, *words, "disk/rows.npy")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "rows.npy"


def test_a_graph_from_a_file_of_another_format(mistake: Mistake, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text('{"format": 3}')
    assert "model.json: not an ONNX model" in mistake("inspect", "model.json")
    (tmp_path / "model.onnx").write_bytes(onnx.ModelProto().SerializeToString())
    assert "model.onnx: not an ONNX model" in mistake("convert", "model.onnx", "-o", "b")
