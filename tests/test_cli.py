"""The command line: what each command prints and writes, and one line for every mistake."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import hps_trt

Shop = Callable[..., SimpleNamespace]
Run = Callable[..., tuple[int, str, str]]


def error_of(result: tuple[int, str, str]) -> str:
    """The one line on standard error that a mistake gives."""
    code, out, err = result
    assert code == 1 and out == "", result
    assert err.startswith("hps-trt: error: ") and err.count("\n") == 1 and err.endswith("\n"), err
    return err.removeprefix("hps-trt: error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a subcommand is missing"),
        (["insepct", "m.onnx"], "unknown subcommand 'insepct'; did you mean inspect?"),
        (["xyzzy"], "unknown subcommand 'xyzzy'; there are inspect, plan, apply"),
        (["--versoin"], "unknown option --versoin; did you mean --version?"),
        (["convert", "m.onnx", "--ouput", "b"], "unknown option --ouput; did you mean --output?"),
        (["convert", "m.onnx", "-o", "b", "--dry-rum"], "did you mean --dry-run?"),
        (["convert", "m.onnx", "-o", "b", "--split=yes"], "--split"),
        (
            ["convert", "m.onnx", "-o", "b", "--min"],
            "unknown option --min; did you mean --min-rows?",
        ),
        (["convert", "m.onnx"], "required: -o/--output"),
        (["convert", "m.onnx", "more.onnx", "-o", "b"], "more.onnx"),
        (["convert", "m.onnx", "-o", "b", "--min-rows", "-1"], "'-1' is not a whole number"),
        (["convert", "m.onnx", "-o", "b", "--memory", "hgue"], "invalid choice: 'hgue'"),
        (["plan", "m.onnx", "-o", "p", "--min-rows", "ten"], "'ten' is not a whole number"),
        (["plan", "m.onnx"], "-o plan.json"),
        (["check", "b"], "required: --against"),
        (["check", "b", "--against", "m", "--batches", "0"], "must be 1 or more"),
        (["check", "b", "--against", "m", "--rtol", "nan"], "'nan' is not a number, 0 or more"),
        (["run", "b", "--inputs", "i.npz"], "required: --outputs"),
        (["lookup", "c", "--table", "t", "--keys", "k", "-o", "r"], "not of the form MODEL/TABLE"),
        (["lookup", "c", "--table", "m/t", "--kyes", "k"], "did you mean --keys?"),
        (["inspect", "--jsno", "m.onnx"], "did you mean --json?"),
        (["plugin-path", "x"], "x"),
        (["inspect", "nowhere.onnx"], "nowhere.onnx"),
        (["apply", "nowhere.onnx", "p.json", "-o", "b"], "p.json"),
        (["check", "nowhere", "--against", "m.onnx"], "nowhere is no bundle"),
    ],
)
def test_a_mistake_is_one_line(cli: Run, words: list[str], message: str) -> None:
    assert message in error_of(cli(*words))


@pytest.mark.parametrize("words", [["--help"], ["convert", "--help"], ["check", "-h"]])
def test_help(cli: Run, words: list[str]) -> None:
    code, out, err = cli(*words)
    assert code == 0 and out.startswith("usage: hps-trt") and err == ""


def test_version(cli: Run) -> None:
    assert cli("--version") == (0, f"hps-trt {hps_trt.__version__}\n", "")


def test_verbose_adds_where_it_came_from(cli: Run) -> None:
    for words in (["--verbose", "inspect", "no.onnx"], ["inspect", "no.onnx", "--verbose"]):
        code, _, err = cli(*words)
        assert code == 1 and "Traceback" in err
        assert err.splitlines()[-1].startswith("hps-trt: error: no.onnx")


def test_inspect_lists_lookups_and_refusals(cli: Run, make_shop: Shop) -> None:
    make_shop()
    code, out, err = cli("inspect", "shop.onnx")
    assert code == 0 and err == ""
    assert "users" in out and "items" in out and "2 lookups in 2 tables of 1,712 bytes" in out
    code, out, err = cli("inspect", "shop.onnx", "--json")
    found = json.loads(out)
    assert set(found) == {"lookups", "refused"} and found["refused"] == []
    users = found["lookups"][0]
    assert (users["rows"], users["dim"], users["dtype"]) == (50, 8, "fp32")
    assert users["ids"] == "user" and users["output"] == "user_rows"


def test_plan_edit_apply(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    code, out, err = cli("plan", "shop.onnx", "-o", "plan.json")
    assert (code, out, err) == (0, "plan.json: 2 lookups, 0 refused\n", "")
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["lookups"][0]["table"] = "people"
    plan["lookups"][1]["enabled"] = False
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    code, out, err = cli("apply", "shop.onnx", "plan.json", "-o", "bundle", "--json")
    assert code == 0 and err == ""
    assert [table["name"] for table in json.loads(out)["tables"]] == ["people"]
    assert cli("check", "bundle", "--against", "shop.onnx")[0] == 0


def test_plan_for_machines_is_the_file(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    code, out, _ = cli("plan", "shop.onnx", "--json", "-o", "plan.json", "--min-rows", "3")
    assert code == 0 and json.loads(out) == json.loads((tmp_path / "plan.json").read_text())
    assert json.loads(out)["min_rows"] == 3


def test_an_edited_plan_that_does_not_fit_is_one_line(
    cli: Run, make_shop: Shop, tmp_path: Path
) -> None:
    make_shop()
    cli("plan", "shop.onnx", "-o", "plan.json")
    path = tmp_path / "plan.json"
    text = path.read_text()
    for broken in (text[:-10], text.replace('"rows": 50', '"rows": 51'), "[]", "\0", text + "x"):
        path.write_text(broken)
        assert "plan" in error_of(cli("apply", "shop.onnx", "plan.json", "-o", "bundle"))
        assert not (tmp_path / "bundle").exists()


def test_a_plan_that_exists_is_not_replaced_unasked(
    cli: Run, make_shop: Shop, tmp_path: Path
) -> None:
    make_shop()
    (tmp_path / "plan.json").write_text("mine")
    assert "exists already" in error_of(cli("plan", "shop.onnx", "-o", "plan.json"))
    assert (tmp_path / "plan.json").read_text() == "mine"
    assert cli("plan", "shop.onnx", "-o", "plan.json", "--force")[0] == 0
    assert json.loads((tmp_path / "plan.json").read_text())["lookups"]


def test_convert_check_run_lookup(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    code, out, err = cli("convert", "shop.onnx", "-o", "bundle", "--split")
    assert code == 0 and err == "" and "users: 50 x 8 fp32, 2000 bytes" in out
    code, out, err = cli("check", "bundle", "--against", "shop.onnx", "--batches", "3")
    assert code == 0 and err == "" and out.startswith("equal: 3 batches, ")
    user = np.array([0, 49, -1], np.int64)
    np.savez(
        tmp_path / "in.npz",
        user=user,
        items=np.zeros((3, 3), np.int32),
        price=np.zeros((3, 2), np.float32),
    )
    code, out, err = cli("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz")
    assert (code, out, err) == (0, "out.npz: score [3, 1], user_rows [3, 8]\n", "")
    with np.load(tmp_path / "out.npz") as outputs:
        assert np.array_equal(outputs["user_rows"], shop.users[user])
    np.save(tmp_path / "keys.npy", np.array([[0, 49], [50, -1]]))
    words = ("lookup", "bundle/hps.json", "--table", "shop/users", "--keys", "keys.npy", "-o")
    assert cli(*words, "rows.npy") == (0, "rows.npy: 4 rows, 2 of them the default vector\n", "")
    rows = np.load(tmp_path / "rows.npy")
    assert np.array_equal(rows[0], shop.users[[0, 49]]) and not rows[1].any()
    assert cli(*words, "wrapped.npy", "--index-mode", "onnx")[0] == 0
    assert np.array_equal(np.load(tmp_path / "wrapped.npy")[1, 1], shop.users[-1])
    assert cli("lookup", "bundle", *words[2:], "again.npy")[0] == 0
    left = {p.name for p in tmp_path.iterdir()}
    assert not [name for name in left if name.startswith(".")]


def test_check_for_machines_and_its_exit_code(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    code, out, _ = cli("check", "bundle", "--against", "shop.onnx", "--json", "--batches", "2")
    assert code == 0 and json.loads(out)["equal"] is True
    path = tmp_path / "bundle/tables/users/emb_vector"
    data = bytearray(path.read_bytes())
    data[2] ^= 0x10
    path.write_bytes(data)
    code, out, _ = cli("check", "bundle", "--against", "shop.onnx", "--json", "--batches", "2")
    result = json.loads(out)
    assert code == 1 and result["equal"] is False
    wrong = {tensor["name"] for tensor in result["tensors"] if not tensor["equal"]}
    assert "user_rows" in wrong and "item_rows" not in wrong
    code, out, _ = cli("check", "bundle", "--against", "shop.onnx", "--atol", "1e9")
    assert code == 1 and "rows 'user_rows': DIFFERENT" in out and "NOT EQUAL" in out


def test_check_with_given_inputs(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    np.savez(
        tmp_path / "in.npz",
        user=np.array([3]),
        items=np.zeros((1, 3), np.int32),
        price=np.zeros((1, 2), np.float32),
    )
    code, out, _ = cli("check", "bundle", "--against", "shop.onnx", "--inputs", "in.npz")
    assert code == 0 and "equal: 1 batches, 20 elements of 2 lookups" in out


def test_dry_run_writes_nothing(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("plan", "shop.onnx", "-o", "plan.json")
    for words in (["convert", "shop.onnx"], ["apply", "shop.onnx", "plan.json"]):
        code, out, err = cli(*words, "-o", "bundle", "--dry-run", "--split")
        assert code == 0 and err == ""
        assert "would get 2 tables of 2168 bytes, model.onnx" in out and "split/dense.onnx" in out
    assert {p.name for p in tmp_path.iterdir()} == {"shop.onnx", "plan.json"}


def test_an_output_that_exists_is_one_line(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    before = sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*"))
    assert "bundle exists already" in error_of(cli("convert", "shop.onnx", "-o", "bundle"))
    assert sorted(p.stat().st_mtime_ns for p in tmp_path.rglob("*")) == before


def write_npz(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_files_of_arrays_that_are_none(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{"a": 1}], object), allow_pickle=True)
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "floats.npy", np.zeros(3))
    np.save(tmp_path / "huge.npy", np.zeros(3, np.int64))
    data = bytearray((tmp_path / "huge.npy").read_bytes())
    large = data.replace(b"(3,), }" + b" " * 12, b"(9999999999999,), }")
    assert len(large) == len(data) and large != data
    (tmp_path / "huge.npy").write_bytes(large)
    write_npz(tmp_path / "broken.npz", {"user.npy": b"\x93NUMPY\x01\x00\xff"})
    for name in ("pickled.npy", "text.npy", "empty.npy", "floats.npy", "huge.npy", "broken.npz"):
        words = ("--table", "shop/users", "--keys", name, "-o", "rows.npy")
        assert name in error_of(cli("lookup", "bundle", *words))
        assert name in error_of(cli("run", "bundle", "--inputs", name, "--outputs", "out.npz"))
    assert not (tmp_path / "rows.npy").exists() and not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [("shop/usres", "users"), ("shpo/users", "shop"), ("shop/../users", "MODEL/TABLE")],
)
def test_a_wrong_table_is_named(
    cli: Run, make_shop: Shop, tmp_path: Path, table: str, message: str
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    np.save(tmp_path / "keys.npy", np.arange(3))
    words = ("lookup", "bundle", "--table", table, "--keys", "keys.npy", "-o", "rows.npy")
    assert message in error_of(cli(*words))


def test_run_names_inputs_that_do_not_fit(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    np.savez(tmp_path / "in.npz", usr=np.zeros(3, np.int64))
    message = error_of(cli("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz"))
    assert message == "input 'usr' is none of the graph's: user, items, price"


def test_an_unknown_key_fails_the_run_where_asked_for(
    cli: Run, make_shop: Shop, tmp_path: Path
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle", "--unknown", "error")
    items, price = np.zeros((1, 3), np.int32), np.zeros((1, 2), np.float32)
    np.savez(tmp_path / "in.npz", user=np.array([50]), items=items, price=price)
    message = error_of(cli("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz"))
    assert "50" in message and "users" in message
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("damage", ["table missing", "table short", "graph cut", "config cut"])
def test_a_damaged_bundle_is_one_line(
    cli: Run, make_shop: Shop, tmp_path: Path, damage: str
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    rows = tmp_path / "bundle/tables/users/emb_vector"
    if damage == "table missing":
        rows.unlink()
    elif damage == "table short":
        os.truncate(rows, 1599)
    else:
        name = "model.onnx" if damage == "graph cut" else "hps.json"
        os.truncate(tmp_path / "bundle" / name, 40)
    message = error_of(cli("check", "bundle", "--against", "shop.onnx"))
    assert str(tmp_path / "bundle") in message or message.startswith("bundle/")


def test_plugin_path_is_a_library(cli: Run) -> None:
    code, out, err = cli("plugin-path")
    assert code == 0 and err == "" and out.endswith(".so\n") and Path(out.strip()).is_file()


def test_plugin_path_without_a_library(
    cli: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HPS_TRT_LIBRARY", str(tmp_path / "none.so"))
    assert "none.so" in error_of(cli("plugin-path"))


def start(*words: object, **options: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "hps_trt.cli.main", *map(str, words)]
    return subprocess.Popen(command, **options)  # type: ignore[call-overload, no-any-return]


def test_a_reader_that_goes_away_is_no_error(make_shop: Shop) -> None:
    shop = make_shop(rows=(50, 7))
    child = start("inspect", shop.path, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 141


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [(signal.SIGINT, 130, b"hps-trt: error: interrupted\n"), (signal.SIGTERM, 143, b"")],
)
def test_a_stopped_conversion_leaves_nothing(
    tmp_path: Path, make_shop: Shop, number: signal.Signals, code: int, line: bytes
) -> None:
    """The conversion is held in the middle: its table's bytes come through a slow reader."""
    shop = make_shop()
    script = (
        "import sys, time\n"
        "from hps_trt import tables\n"
        "from hps_trt.cli.main import main\n"
        "def held(*given):\n"
        "    print('here', flush=True)\n"
        "    time.sleep(600)\n"
        "tables.dense_keys = held\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, "convert", str(shop.path), "-o", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"here\n"
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".out.tmp-")]
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (code, line)
    assert {p.name for p in tmp_path.iterdir()} == {"shop.onnx"}


def test_a_dry_run_does_all_but_write(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    """Of commands that write one file: the work is done, so its mistakes show."""
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    items, price = np.zeros((1, 3), np.int32), np.zeros((1, 2), np.float32)
    np.savez(tmp_path / "in.npz", user=np.array([3]), items=items, price=price)
    np.save(tmp_path / "keys.npy", np.array([0, 50]))
    before = {path.name for path in tmp_path.iterdir()}
    commands = {
        ("plan", "shop.onnx", "-o", "new"): "2 lookups, 0 refused",
        (
            "run",
            "bundle",
            "--inputs",
            "in.npz",
            "--outputs",
            "new",
        ): "score [1, 1], user_rows [1, 8]",
        ("lookup", "bundle", "--table", "shop/users", "--keys", "keys.npy", "-o", "new"): (
            "2 rows, 1 of them the default vector"
        ),
    }
    for words, line in commands.items():
        assert cli(*words, "--dry-run") == (0, f"would write new: {line}\n", "")
        assert {path.name for path in tmp_path.iterdir()} == before
    words = ("lookup", "bundle", "--table", "shop/usres", "--keys", "keys.npy", "-o", "new")
    assert "users" in error_of(cli(*words, "--dry-run"))


def test_run_and_lookup_for_machines(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    items, price = np.zeros((1, 3), np.int32), np.zeros((1, 2), np.float32)
    np.savez(tmp_path / "in.npz", user=np.array([3]), items=items, price=price)
    np.save(tmp_path / "keys.npy", np.array([[0, 50]]))
    words: tuple[str, ...] = ("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz")
    code, out, err = cli(*words, "--json")
    assert code == 0 and err == ""
    assert json.loads(out) == {
        "file": "out.npz",
        "outputs": {
            "score": {"type": "float32", "shape": [1, 1]},
            "user_rows": {"type": "float32", "shape": [1, 8]},
        },
    }
    words = ("lookup", "bundle", "--table", "shop/users", "--keys", "keys.npy", "-o", "rows.npy")
    code, out, err = cli(*words, "--json")
    assert code == 0 and err == ""
    found = {"file": "rows.npy", "type": "float32", "shape": [1, 2, 8], "rows": 2, "defaults": 1}
    assert json.loads(out) == found


def test_a_text_file_is_no_array_and_no_pickle(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    (tmp_path / "in.npz").write_text("user = 3")
    message = error_of(cli("run", "bundle", "--inputs", "in.npz", "--outputs", "out.npz"))
    assert message == "in.npz: not a .npy or .npz file; write one with numpy.save or savez"


def test_piped_tables_are_not_cut(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "b" * 100)
    for words in (["config", "check", "b" * 100], ["doctor"]):
        code, out, _ = cli(*words)
        assert code == 0 and "\u2026" not in out
    assert str(tmp_path / ("b" * 100) / "tables/users") in cli("config", "check", "b" * 100)[1]


def test_a_manifest_nested_too_deep_is_one_line(cli: Run, make_shop: Shop, tmp_path: Path) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    (tmp_path / "bundle/hps.json").write_text("[" * 100_000)
    assert "hps.json" in error_of(cli("check", "bundle", "--against", "shop.onnx"))


def test_standard_output_may_be_closed_full_or_narrow(make_shop: Shop) -> None:
    shop = make_shop("sh\u00f6p.onnx")
    pipe = subprocess.PIPE
    for close in ("1>&-", "1>/dev/full"):
        command = [sys.executable, "-m", "hps_trt.cli.main", "inspect", str(shop.path)]
        done = subprocess.run(["sh", "-c", f'"$@" {close}', "sh", *command], stderr=pipe, text=True)
        if "full" in close:
            assert done.returncode == 1
            assert done.stderr == "hps-trt: error: No space left on device\n"
        else:
            assert (done.returncode, done.stderr) == (0, "")
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    folder = str(shop.path.with_suffix(""))
    child = start("convert", shop.path, "-o", folder, stdout=pipe, stderr=pipe, env=ascii_only)
    out, err = child.communicate()
    assert child.returncode == 0 and err == b"" and b"sh\\xf6p has 2 tables" in out
