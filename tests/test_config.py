"""hps.json: what Python writes, the schema allows and the library reads are one format."""

import argparse
import json
import stat
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import xxhash

from hps_trt import native
from hps_trt.cli import config as command
from hps_trt.config import (
    BundleConfig,
    ModelEntry,
    TableEntry,
    TableFile,
    manifest_id,
    manifest_text,
    schema,
)
from hps_trt.errors import HpsError, UserError

# The same manifest and digest stand in tests/cpp/config/config_texts.h.
GOLDEN_TEXT = (
    "model dlrm\n"
    "table emb_0 1000 128 fp32 dense 512000:0123456789abcdef0123456789abcdef"
    " 8000:fedcba9876543210fedcba9876543210 0:-\n"
    "table emb-1 3 5 int8 hashed 15:00112233445566778899aabbccddeeff"
    " 24:ffeeddccbbaa99887766554433221100 12:0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\n"
    "model wide\n"
    "table w 7 2 bf16 dense 28:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    " 56:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 0:-\n"
)
GOLDEN_ID = "83330fb3989a610c5ff3d0b47eb767fc"


def golden() -> BundleConfig:
    first = TableEntry(
        name="emb_0",
        path="tables/emb_0",
        rows=1000,
        dim=128,
        default=0.5,
        emb_vector=TableFile(512000, "0123456789abcdef0123456789abcdef"),
        key=TableFile(8000, "fedcba9876543210fedcba9876543210"),
    )
    second = TableEntry(
        name="emb-1",
        path="/data/emb-1",
        rows=3,
        dim=5,
        type="int8",
        keys="hashed",
        default=(1.0, 2.0, 3.0, 4.0, 5.5),
        unknown="error",
        memory="copied",
        verify=True,
        emb_vector=TableFile(15, "00112233445566778899aabbccddeeff"),
        key=TableFile(24, "ffeeddccbbaa99887766554433221100"),
        scale=TableFile(12, "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"),
    )
    third = TableEntry(
        name="w",
        path="tables/w",
        rows=7,
        dim=2,
        type="bf16",
        emb_vector=TableFile(28, "a" * 32),
        key=TableFile(56, "b" * 32),
    )
    models = (ModelEntry("dlrm", (first, second)), ModelEntry("wide", (third,)))
    return BundleConfig(models, threads=2)


def table(**changes) -> TableEntry:
    return TableEntry(**({"name": "t", "path": "tables/t", "rows": 4, "dim": 2} | changes))


def checked(file: Path) -> dict:
    """The library's reading of `file`."""
    return native.config_check(file)


# --- the bundle id ----------------------------------------------------------------------------


def test_manifest_text_and_id_are_golden():
    assert manifest_text(golden().models) == GOLDEN_TEXT
    assert golden().bundle_id == GOLDEN_ID
    assert xxhash.xxh3_128_hexdigest(GOLDEN_TEXT.encode()) == GOLDEN_ID


def test_id_is_empty_without_a_checksum():
    file = TableFile(32, "0" * 32)
    assert manifest_id([ModelEntry("m", (table(emb_vector=file, key=file),))]) != ""
    assert manifest_id([ModelEntry("m", (table(emb_vector=file),))]) == ""
    assert manifest_id([ModelEntry("m", (table(emb_vector=file, key=file, keys="scan"),))]) == ""
    int8 = table(type="int8", emb_vector=TableFile(8, "0" * 32), key=file)
    assert manifest_id([ModelEntry("m", (int8,))]) == ""
    assert "bundle_id" not in json.loads(BundleConfig((ModelEntry("m", (table(),)),)).to_json())


# --- what Python writes -----------------------------------------------------------------------


def test_the_library_reads_what_is_written(tmp_path):
    file = tmp_path / "hps.json"
    golden().save(file)
    found = checked(file)
    assert found["format"] == "hps-trt/1"
    assert found["bundle_id"] == found["manifest_id"] == GOLDEN_ID
    assert found["threads"] == 2
    assert found["notices"] == []
    assert [model["name"] for model in found["models"]] == ["dlrm", "wide"]
    first, second = found["models"][0]["tables"]
    assert first["path"] == str(tmp_path / "tables/emb_0")
    assert (first["rows"], first["dim"], first["default"]) == (1000, 128, 0.5)
    written = json.loads(golden().to_json())["models"][0]["tables"][1]
    assert {key: second[key] for key in written} == written


def test_written_documents_match_the_schema():
    jsonschema.validate(json.loads(golden().to_json()), schema())
    scan = BundleConfig((ModelEntry("m", (table(rows=None, keys="scan"),)),))
    jsonschema.validate(json.loads(scan.to_json()), schema())


def test_sizes_may_be_numpy_integers():
    entry = table(rows=np.int64(4), emb_vector=TableFile(np.int64(32), "0" * 32))
    written = json.loads(BundleConfig((ModelEntry("m", (entry,)),)).to_json())
    assert written["models"][0]["tables"][0]["rows"] == 4


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    file = tmp_path / "hps.json"
    file.write_text("old")
    golden().save(file)
    assert file.read_text() == golden().to_json()
    assert [path.name for path in tmp_path.iterdir()] == ["hps.json"]
    assert stat.S_IMODE(file.stat().st_mode) & 0o600 == 0o600


def test_a_failed_save_leaves_the_old_file(tmp_path):
    (tmp_path / "hps.json").mkdir()
    (tmp_path / "hps.json" / "inside").write_text("kept")
    with pytest.raises(UserError, match=r"hps\.json: cannot be written"):
        golden().save(tmp_path / "hps.json")
    assert [path.name for path in tmp_path.iterdir()] == ["hps.json"]
    with pytest.raises(UserError, match="cannot be written"):
        golden().save(tmp_path / "none" / "hps.json")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"name": "a b"}, "name 'a b'"),
        ({"name": ""}, "name ''"),
        ({"name": "a" * 121}, "use 1 to 120"),
        ({"name": "a\n"}, "use 1 to 120"),
        ({"path": "../x"}, "must stay inside"),
        ({"path": ""}, "must stay inside"),
        ({"path": "a\0b"}, "must stay inside"),
        ({"dim": 0}, "dim 0 is outside"),
        ({"rows": -1}, "rows -1 is outside"),
        ({"rows": None}, "need the number of rows"),
        ({"type": "fp8"}, "type 'fp8' is none of fp32"),
        ({"keys": "sorted"}, "keys 'sorted' is none of"),
        ({"memory": "gpu"}, "memory 'gpu' is none of"),
        ({"unknown": "zero"}, "unknown 'zero' is none of"),
        ({"default": (1.0,)}, "default has 1 values and dim is 2"),
        ({"default": float("nan")}, "cannot be written as JSON"),
        ({"emb_vector": TableFile(31, "0" * 32)}, "emb_vector has 31 bytes, 4 rows need 32"),
        ({"scale": TableFile(16, "0" * 32)}, "only int8 tables have a scale file"),
    ],
)
def test_entries_that_could_never_be_read_are_refused(changes, part):
    with pytest.raises(UserError) as caught:
        table(**changes)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_distinct_and_models_present():
    with pytest.raises(UserError, match="'t' is given twice, at 0 and 1"):
        ModelEntry("m", (table(), table()))
    with pytest.raises(UserError, match="'m' is given twice, at 0 and 1"):
        BundleConfig((ModelEntry("m", ()), ModelEntry("m", ())))
    with pytest.raises(UserError, match="at least one model"):
        BundleConfig(())
    with pytest.raises(UserError, match="checksum"):
        TableFile(1, "A" * 32)


# --- the schema and the library ---------------------------------------------------------------


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def edited(*path, value):
    document = json.loads(golden().to_json())
    del document["bundle_id"]
    *parents, last = path
    inner = document
    for part in parents:
        inner = inner[part]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return document


FIRST = ("models", 0, "tables", 0)


@pytest.mark.parametrize(
    "document",
    [
        edited("format", value="hps-trt/1x"),
        edited("surplus", value=1),
        edited("models", value=[]),
        edited(*FIRST, "rows", value="1000"),
        edited(*FIRST, "rows", value=None),
        edited(*FIRST, "dim", value=0),
        edited(*FIRST, "type", value="fp64"),
        edited(*FIRST, "name", value="a b"),
        edited(*FIRST, "default", value="x"),
        edited(*FIRST, "files", "key", "xxh128", value="0"),
        edited(*FIRST, "gpu", value={"placement": "cached", "cache_fraction": 2}),
        edited("volatile", value={"address": "a:1"}),
        edited("persistent", value={"type": "rocksdb"}),
        edited("updates", value={"type": "kafka", "poll_timeout_ms": -1}),
    ],
)
def test_the_schema_and_the_library_refuse_the_same(document, tmp_path):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())
    file = tmp_path / "hps.json"
    file.write_text(json.dumps(document))
    with pytest.raises(HpsError) as caught:
        checked(file)
    assert str(caught.value).startswith(f"{file}: ")


@pytest.mark.parametrize(
    "document",
    [
        edited("threads", value=None),
        edited(*FIRST, "files", value=None),
        edited(*FIRST, "rows", value=1000.0),
        edited(*FIRST, "gpu", value={"placement": "pinned", "devices": [0, 1]}),
        edited("volatile", value={"type": "redis_cluster", "address": "a:1,b:2", "password": "x"}),
        edited("persistent", value={"type": "rocksdb", "path": "db"}),
        edited("updates", value={"type": "kafka", "brokers": "a:1;b:2"}),
    ],
)
def test_the_schema_and_the_library_accept_the_same(document, tmp_path):
    jsonschema.validate(document, schema())
    file = tmp_path / "hps.json"
    file.write_text(json.dumps(document))
    assert checked(file)["models"][0]["name"] == "dlrm"


# --- hps-trt config check ---------------------------------------------------------------------


def run(file: Path, **options) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    flags = [f"--{name}" for name, given in options.items() if given]
    parsed = parser.parse_args(["config", "check", str(file), *flags])
    return parsed.run(parsed)


def bundle(folder: Path) -> Path:
    """A bundle with one table of real files."""
    contents = {"emb_vector": bytes(range(32)), "key": np.arange(4, dtype=np.int64).tobytes()}
    (folder / "tables/t").mkdir(parents=True)
    files = {}
    for name, data in contents.items():
        (folder / "tables/t" / name).write_bytes(data)
        files[name] = TableFile(len(data), xxhash.xxh3_128_hexdigest(data))
    BundleConfig((ModelEntry("m", (table(**files),)),)).save(folder / "hps.json")
    return folder


def test_check_prints_a_summary(tmp_path, capsys, monkeypatch):
    bundle(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert run(tmp_path) == 0
    out = capsys.readouterr().out
    assert "valid hps-trt/1, bundle " in out
    for word in ("m", "t", "4", "fp32", "dense", "mapped"):
        assert word in out


def test_check_says_what_this_build_does_not_have(tmp_path, capsys):
    file = tmp_path / "ps.json"
    file.write_text(
        json.dumps(
            {
                "volatile_db": {"type": "redis_cluster", "password": "hunter2"},
                "models": [
                    {
                        "model": "wdl",
                        "sparse_files": ["a"],
                        "embedding_vecsize_per_table": [16],
                        "gpucache": True,
                    }
                ],
            }
        )
    )
    assert run(file) == 0
    out = capsys.readouterr().out
    assert "valid ps.json" in out
    assert 'cannot be opened by this build: volatile_db.type: volatile store "redis_cluster"' in out
    assert "not needed: models[0].gpucache: the GPU cache is not in this build" in out
    assert "hunter2" not in out


def test_check_raises_for_an_invalid_file(tmp_path):
    bundle(tmp_path)
    file = tmp_path / "bad.json"
    file.write_text('{"format": "hps-trt/1", "modles": []}')
    with pytest.raises(UserError, match='unknown key "modles"; the nearest valid key is "models"'):
        run(file)


def test_check_json_is_for_machines(tmp_path, capsys):
    bundle(tmp_path)
    assert run(tmp_path, json=True, checksums=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"][0]["tables"][0]["rows"] == 4
    assert [file["equal"] for file in found["checksums"]] == [True, True]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda path: path.write_bytes(b"\1" + path.read_bytes()[1:]), "found 32:"),
        (lambda path: path.write_bytes(path.read_bytes()[1:]), "found 31:-"),
        (lambda path: path.unlink(), "found No such file"),
        (lambda path: (path.unlink(), path.mkdir()), "found not a regular file"),
    ],
)
def test_checksums_are_compared(tmp_path, capsys, change, part):
    bundle(tmp_path)
    assert run(tmp_path, checksums=True) == 0
    assert "2 of 2 table files agree" in capsys.readouterr().out
    change(tmp_path / "tables/t/emb_vector")
    with pytest.raises(UserError, match="1 of 2 table files are not what it says"):
        run(tmp_path, checksums=True)
    out = capsys.readouterr().out
    assert part in out and "1 of 2 table files agree" in out
