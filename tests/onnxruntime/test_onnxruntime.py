"""The ONNX Runtime host: domains, version "1" nodes, errors, threads, lifetimes."""

import gc
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from node_tools import (
    FLOAT,
    FLOAT16,
    INT32,
    INT64,
    OFFSETS,
    SUM,
    Graph,
    Lookup,
    Table,
    expected,
    make_model,
    make_table,
    run,
    same_bits,
    session,
    wrap,
    write_config,
)
from onnx import helper

from hps_trt.native import library_path

ROWS, DIM = 30, 4


def plain(folder: Path, model: str, table: Table | None = None, **changes: Any) -> Graph:
    """A graph of one plain lookup of int64 ids in table "t"."""
    config = write_config(folder, model, {"t": table or make_table(ROWS, DIM)})
    ids = {"ids": (INT64, [None])}
    return Graph(model, config, ids, [Lookup("t", DIM, "ids")], [FLOAT], [2], changes=changes)


def hps_deployment(folder: Path, model: str) -> tuple[Path, list[np.ndarray], np.ndarray]:
    """A ps.json with two HPS folders whose keys are in no order."""
    keys = np.array([5, 0, 1 << 33, -1, 7], np.int64)
    rows = [np.random.default_rng(i).standard_normal((5, 3 + i)).astype("f4") for i in range(2)]
    for i, values in enumerate(rows):
        place = folder / f"sparse{i}"
        place.mkdir()
        (place / "key").write_bytes(keys.tobytes())
        (place / "emb_vector").write_bytes(values.tobytes())
    entry = {
        "model": model,
        "sparse_files": [str(folder / f"sparse{i}") for i in range(2)],
        "embedding_vecsize_per_table": [3, 4],
        "maxnum_catfeature_query_per_table_per_sample": [2, 2],
        "default_value_for_each_table": [0.5, -1.5],
        "gpucache": False,
    }
    path = folder / "ps.json"
    path.write_text(json.dumps({"supportlonglong": True, "models": [entry]}))
    return path, rows, keys


def version_1(config: Path, model: str, element: int = INT64, domain: str = "", **changes: Any):
    """HPS's own node, as its notebooks write it: nothing says the output's type."""
    attributes = {
        "ps_config_file": f"{config}\0",
        "model_name": f"{model}\0",
        "table_id": 1,
        "emb_vec_size": 4,
    }
    attributes = {k: v for k, v in (attributes | changes).items() if v is not None}
    nodes = [
        helper.make_node("HPS_TRT", ["ids"], ["rows"], domain=domain, **attributes),
        helper.make_node("Identity", ["rows"], ["out"]),
    ]
    inputs = [helper.make_tensor_value_info("ids", element, [None, 2])]
    outputs = [helper.make_tensor_value_info("out", FLOAT, [None, 2, 4])]
    inner = [helper.make_tensor_value_info("rows", FLOAT, [None, 2, 4])] if domain else []
    return wrap(nodes, inputs, outputs, inner)


@pytest.mark.parametrize("domain", ["", "hps_trt"])
@pytest.mark.parametrize(("element", "dtype"), [(INT64, np.int64), (INT32, np.int32)])
def test_version_1_nodes_of_hps_run_as_they_are(
    tmp_path: Path, domain: str, element: int, dtype: type
) -> None:
    config, rows, keys = hps_deployment(tmp_path, f"wdl-{element}-{domain}")
    model = version_1(config, f"wdl-{element}-{domain}", element, domain)
    ids = np.array([[5, -1], [6, 7]], dtype)
    (got,) = session(model).run(None, {"ids": ids})
    place = {int(key): i for i, key in enumerate(keys)}
    want = [
        [rows[1][place[int(k)]] if int(k) in place else np.full(4, -1.5) for k in r] for r in ids
    ]
    assert same_bits(got, np.array(want, np.float32))


def test_version_1_may_be_said_explicitly(tmp_path: Path) -> None:
    config, rows, _ = hps_deployment(tmp_path, "wdl-said")
    model = version_1(config, "wdl-said", plugin_version="1")
    (got,) = session(model).run(None, {"ids": np.array([[5, 0]])})
    assert same_bits(got, rows[1][:2].reshape(1, 2, 4))


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"emb_vec_size": 5}, ["sparse_embedding1", "dimension 4", "expects 5"]),
        ({"table_id": 2}, ["2 tables", "table_id 2"]),
        ({"table_id": None}, ["'table_id'", "missing"]),
        ({"model_name": "nobody"}, ["nobody"]),
        ({"plugin_version": "3"}, ["'plugin_version'", "'3'"]),
    ],
)
def test_version_1_errors_fail_the_session(
    tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    config, _, _ = hps_deployment(tmp_path, "wdl-bad")
    with pytest.raises(Exception, match=r".*") as caught:
        session(version_1(config, "wdl-bad", **changes))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"tables": "u"}, ["no table 'u'", "lookup 0"]),
        ({"dims": [5]}, ["'t'", "dimension 4", "expects 5"]),
        ({"model_name": "nobody"}, ["nobody"]),
        ({"config_file": "/nowhere/hps.json"}, ["/nowhere/hps.json"]),
        ({"bundle_id": "0" * 32}, ["0" * 32]),
        ({"layouts": [9]}, ["'layouts'[0]", "9"]),
        ({"dims": None}, ["'dims'", "missing"]),
        ({"tables": 3}, ["'tables'", "missing"]),
        ({"input_types": [7, 7]}, ["input 1", "used by no lookup"]),
        ({"output_types": [1, 1]}, ["output 1", "'outputs'"]),
        ({"unresolved_output": 1}, ["1 inputs and 2 outputs", "has 1 and 1"]),
    ],
)
def test_a_wrong_node_fails_the_session(
    tmp_path: Path, changes: dict[str, Any], parts: list[str]
) -> None:
    graph = plain(tmp_path, "wrong", **changes)
    with pytest.raises(Exception, match=r".*") as caught:
        session(make_model(graph))
    for part in parts:
        assert part in str(caught.value)
    assert run(replace(graph, changes={}), {"ids": np.array([1])})[0].shape == (1, DIM)


def test_missing_files_fail_the_session(tmp_path: Path) -> None:
    graph = plain(tmp_path, "gone")
    (tmp_path / "tables/t/emb_vector").unlink()
    with pytest.raises(Exception, match="emb_vector"):
        session(make_model(graph))


def test_element_types_are_checked_at_each_call(tmp_path: Path) -> None:
    graph = plain(tmp_path, "types")
    model = make_model(graph)
    model.graph.input[0].type.tensor_type.elem_type = INT32
    with pytest.raises(Exception, match="input 0 is int32; the node says int64"):
        session(model).run(None, {"ids": np.array([1], np.int32)})
    model.graph.input[0].type.tensor_type.elem_type = 11
    with pytest.raises(Exception, match="input 0 has ONNX element type 11"):
        session(model).run(None, {"ids": np.array([1.0])})
    model = make_model(graph)
    model.graph.output[0].type.tensor_type.elem_type = FLOAT16
    with pytest.raises(Exception, match="output 0 is declared"):
        session(model).run(None, {"ids": np.array([1])})


def test_bad_offsets_fail_the_call_and_nothing_else(tmp_path: Path) -> None:
    table = make_table(ROWS, DIM)
    config = write_config(tmp_path, "offsets", {"t": table})
    lookup = Lookup("t", DIM, "ids", layout=OFFSETS, layout_input="x", combiner=SUM)
    types = {"ids": (INT64, [None]), "x": (INT64, [None])}
    running = session(make_model(Graph("offsets", config, types, [lookup], [FLOAT], [2])))
    ids = np.arange(5)
    for wrong, message in (
        ([0, 6], r"offsets\[1\] \(input 1\) is 6; there are 5 ids"),
        ([0, 3, 2], r"offsets\[2\] .* is 2; it may not be below 3"),
        ([1], r"offsets\[0\] .* is 1; the first must be 0"),
        ([0, -(1 << 63)], r"offsets\[1\]"),
    ):
        with pytest.raises(Exception, match=message):
            running.run(None, {"ids": ids, "x": np.array(wrong)})
    feed = {"ids": ids, "x": np.array([0, 2])}
    assert same_bits(running.run(None, feed)[0], expected(lookup, table, FLOAT, feed)[0])


def test_unknown_keys_give_the_default_or_an_error(tmp_path: Path) -> None:
    ids = {"ids": np.array([1, ROWS, -1])}
    (tmp_path / "soft").mkdir()
    (tmp_path / "strict").mkdir()
    soft = make_table(ROWS, DIM, default=3.25)
    (got,) = run(plain(tmp_path / "soft", "soft", soft), ids)
    assert same_bits(got[1:], np.full((2, DIM), 3.25, np.float32))
    strict = plain(tmp_path / "strict", "strict", replace(soft, unknown="error"))
    with pytest.raises(Exception, match=f"lookup 0 .*{ROWS}"):
        run(strict, ids)
    assert same_bits(run(strict, {"ids": np.array([1])})[0], soft.rows[1:2])


def test_eight_threads_share_one_session(tmp_path: Path) -> None:
    table = make_table(500, 16)
    config = write_config(tmp_path, "threads", {"t": table})
    graph = Graph(
        "threads", config, {"ids": (INT64, [None])}, [Lookup("t", 16, "ids")], [FLOAT], [2]
    )
    running = session(make_model(graph))
    wrong: list[int] = []

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(40):
            ids = generator.integers(0, 500, generator.integers(1, 20000))
            if not same_bits(running.run(None, {"ids": ids})[0], table.rows[ids]):
                wrong.append(seed)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, seed) for seed in range(8)]:
            done.result()
    assert wrong == []


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_sessions_opened_and_closed_leave_nothing(tmp_path: Path) -> None:
    graph = plain(tmp_path, "loop", make_table(20000, DIM))
    model = make_model(graph)
    bad = make_model(replace(graph, changes={"dims": [5]}))
    ids = np.arange(20000)

    def once() -> None:
        assert session(model, 1).run(None, {"ids": ids})[0].shape == (20000, DIM)
        with pytest.raises(Exception, match="expects 5"):
            session(bad, 1)

    for _ in range(20):
        once()
    gc.collect()
    before = resident_bytes()
    for _ in range(150):
        once()
    gc.collect()
    # A leak of the table alone would be 150 times 320 KB.
    assert resident_bytes() - before < 12 << 20


def test_tables_close_with_the_last_session(tmp_path: Path) -> None:
    graph = plain(tmp_path, "closing", make_table(1000, DIM))
    first, second = (session(make_model(graph), 1) for _ in range(2))

    def mapped() -> bool:
        return str(tmp_path / "tables") in Path("/proc/self/maps").read_text()

    assert mapped()
    del first
    gc.collect()
    assert mapped()
    assert second.run(None, {"ids": np.array([1])})[0].shape == (1, DIM)
    del second
    gc.collect()
    assert not mapped()


def test_one_session_may_register_twice_and_two_sessions_share(tmp_path: Path) -> None:
    model = make_model(plain(tmp_path, "twice")).SerializeToString()
    options = ort.SessionOptions()
    options.register_custom_ops_library(str(library_path()))
    for _ in range(2):
        running = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        assert running.run(None, {"ids": np.array([3])})[0].shape == (1, DIM)


def test_a_second_copy_of_the_library_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy.so"
    shutil.copy(library_path(), copy)
    script = (
        "import sys, onnxruntime as ort\n"
        "ort.SessionOptions().register_custom_ops_library(sys.argv[1])\n"
        "try:\n"
        "    ort.SessionOptions().register_custom_ops_library(sys.argv[2])\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(library_path()), str(copy)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "loaded twice" in result.stdout
    assert str(library_path()) in result.stdout
