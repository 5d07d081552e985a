"""Lookups through the C API: bit-equal to numpy, whatever the types, shapes and layouts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import hps_trt
from hps_trt import native
from hps_trt.errors import HpsError, UserError
from hps_trt.native import NativeError, NativeUserError, Service

NUMPY = {"fp32": np.float32, "fp16": np.float16, "bf16": ml_dtypes.bfloat16, "int8": np.int8}
OUTS = ("fp32", "fp16", "bf16")
I64 = np.iinfo(np.int64)

Open = Callable[..., Service]
Make = Callable[..., Any]


def assert_same_bits(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def expected_rows(rows: np.ndarray, scales: np.ndarray | None, out: str) -> np.ndarray:
    """The whole table as a lookup gives it: what OPERATOR.md says, in numpy."""
    if scales is not None:
        rows = rows.astype(np.float32) * scales[:, None]
    if rows.dtype == NUMPY[out]:
        return rows
    with np.errstate(over="ignore"):
        return rows.astype(np.float32).astype(NUMPY[out])


@pytest.mark.parametrize("out", OUTS)
@pytest.mark.parametrize("stored", ["fp32", "fp16", "bf16", "int8"])
@pytest.mark.parametrize("key_type", [np.int32, np.int64])
def test_rows_are_bit_equal(
    open_table: Open, make_rows: Make, stored: str, out: str, key_type: type
) -> None:
    rows = make_rows(1000, 37, stored)
    scales = np.linspace(1e-4, 3, 1000, dtype=np.float32) if stored == "int8" else None
    service = open_table(rows, stored, scales=scales)
    keys = np.random.default_rng(1).integers(0, 1000, (29, 7)).astype(key_type)
    keys.flat[:2] = (0, 999)
    found = service.lookup("m", "t", keys, out_dtype=out)
    assert_same_bits(found, expected_rows(rows, scales, out)[keys])
    assert service.defaults == 0


def test_every_bit_pattern_of_a_row_comes_back(open_table: Open) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    for name in ("fp16", "bf16"):
        rows = bits.view(NUMPY[name])
        service = open_table(rows, name, folder=name)
        assert_same_bits(service.lookup("m", "t", np.arange(256), out_dtype=name), rows)
        widened = service.lookup("m", "t", np.arange(256))
        expected = rows.astype(np.float32)
        number = ~np.isnan(expected)
        assert_same_bits(widened[number], expected[number])
        assert np.isnan(widened[~number]).all()


def test_nan_payloads_of_fp32_rows_are_kept(open_table: Open) -> None:
    bits = np.array([[0x7F800001, 0xFFC12345, 0x80000000, 0x00000001]], np.uint32)
    service = open_table(bits.view(np.float32))
    assert_same_bits(service.lookup("m", "t", [0]).view(np.uint32), bits)


def test_hashed_keys_and_the_default_vector(open_table: Open, make_rows: Make) -> None:
    keys = np.array([5, -1, I64.min, I64.max, 0, 1 << 40], np.int64)
    rows = make_rows(6, 4)
    service = open_table(rows, keys=keys, default=[1.5, -2.0, 0.0, 3.25])
    asked = np.array([[I64.max, 7], [-1, I64.min], [6, 5]], np.int64)
    unresolved = np.full(asked.shape, 9, np.uint8)
    found = service.lookup("m", "t", asked, unresolved=unresolved)
    default = np.array([1.5, -2.0, 0.0, 3.25], np.float32)
    expected = np.stack(
        [np.stack([rows[3], default]), np.stack([rows[1], rows[2]]), np.stack([default, rows[0]])]
    )
    assert_same_bits(found, expected)
    assert unresolved.tolist() == [[0, 1], [0, 0], [1, 0]]
    assert service.defaults == 2
    flags = np.zeros(asked.shape, bool)
    service.lookup("m", "t", asked, unresolved=flags)
    assert flags.tolist() == [[False, True], [False, False], [True, False]]


def test_an_int32_key_is_widened_with_its_sign(open_table: Open, make_rows: Make) -> None:
    rows = make_rows(2, 3)
    service = open_table(rows, keys=np.array([-1, (1 << 32) - 1]))
    assert_same_bits(service.lookup("m", "t", np.array([-1], np.int32)), rows[:1])


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 4), (1, 1, 5)])
def test_any_rank(open_table: Open, make_rows: Make, shape: tuple[int, ...]) -> None:
    rows = make_rows(50, 6)
    service = open_table(rows)
    keys = np.random.default_rng(2).integers(0, 50, shape)
    assert_same_bits(service.lookup("m", "t", keys), rows[keys])


def test_lists_of_integers_are_keys(open_table: Open, make_rows: Make) -> None:
    rows = make_rows(9, 2)
    service = open_table(rows)
    assert_same_bits(service.lookup("m", "t", [[1, 2], [8, 0]]), rows[[[1, 2], [8, 0]]])
    assert service.lookup("m", "t", []).shape == (0, 2)
    with pytest.raises(UserError, match="keys: are float64"):
        service.lookup("m", "t", [0.5])
    with pytest.raises(UserError, match="keys: are"):
        service.lookup("m", "t", [[1], [1, 2]])


KEY_LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "every other": lambda ids: ids.ravel()[::2],
    "backwards": lambda ids: ids.ravel()[::-1],
    "backwards by three": lambda ids: ids.ravel()[::-3],
    "a column": lambda ids: ids[:, :, 1],
    "the last column": lambda ids: ids[..., -1],
    "a block": lambda ids: ids[::2, ::2],
    "transposed": lambda ids: ids.transpose(2, 0, 1),
    "broadcast": lambda ids: np.broadcast_to(ids[0, 0, :1], (4, 3)),
    "new axes": lambda ids: ids[:, None, :, 1, None],
}


@pytest.mark.parametrize("layout", KEY_LAYOUTS)
@pytest.mark.parametrize("key_type", [np.int32, np.int64])
def test_keys_of_any_layout(open_table: Open, make_rows: Make, layout: str, key_type: type) -> None:
    rows = make_rows(100, 3)
    service = open_table(rows)
    ids = np.random.default_rng(3).integers(0, 100, (6, 5, 4)).astype(key_type)
    keys = KEY_LAYOUTS[layout](ids)
    unresolved = np.ones(keys.shape, np.uint8)
    assert_same_bits(service.lookup("m", "t", keys, unresolved=unresolved), rows[keys])
    assert not unresolved.any()


def test_keys_that_one_stride_reaches_are_not_copied() -> None:
    from hps_trt.native import arrays

    ids = np.zeros((6, 5, 4), np.int32)
    for keys, stride in ((ids, 1), (ids[:, :, 2], 4), (ids[:, 0, 0], 20), (ids.ravel()[::-2], -2)):
        flat, found = arrays.flat_keys(arrays.Tensor(keys, "int32"))
        assert found == stride
        assert np.shares_memory(flat, ids)
    flat, found = arrays.flat_keys(arrays.Tensor(ids[::2, ::2], "int32"))
    assert found == 1
    assert not np.shares_memory(flat, ids)


@pytest.mark.parametrize("key_type", [np.int32, np.int64])
def test_memory_that_is_not_aligned(open_table: Open, make_rows: Make, key_type: type) -> None:
    """A view into a file's or a message's bytes begins anywhere."""

    def one_byte_on(values: np.ndarray) -> np.ndarray:
        memory = np.zeros(values.nbytes + 1, np.uint8)
        memory[1:] = values.reshape(-1).view(np.uint8)
        view = memory[1:].view(values.dtype).reshape(values.shape)
        assert not view.flags.aligned
        return view

    rows = make_rows(10, 4)
    service = open_table(rows)
    keys = one_byte_on(np.array([3, 1, 2] * 20, key_type))
    out = one_byte_on(np.empty((60, 4), np.float32))
    service.lookup("m", "t", keys, out=out)
    assert_same_bits(np.array(out), rows[keys])
    service.put("m", "t", keys[:1], one_byte_on(rows[[9]]))
    assert_same_bits(service.lookup("m", "t", [3]), rows[[9]])


def test_keys_of_other_types_are_refused(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(4, 2))
    for wrong in (np.uint32, np.uint64, np.int16, np.float32, bool):
        with pytest.raises(UserError, match="int32 or int64"):
            service.lookup("m", "t", np.zeros(3, wrong))
    with pytest.raises(UserError, match="byte order"):
        service.lookup("m", "t", np.zeros(3, ">i8"))
    with pytest.raises(UserError, match=r"keys: (is a|are) object"):
        service.lookup("m", "t", object())


@pytest.mark.parametrize("out", OUTS)
def test_rows_are_written_where_they_are_wanted(
    open_table: Open, make_rows: Make, out: str
) -> None:
    rows = make_rows(40, 5)
    expected = expected_rows(rows, None, out)
    service = open_table(rows)
    keys = np.array([[3, 39], [0, 3]])
    whole = np.zeros((2, 2, 5), NUMPY[out])
    assert service.lookup("m", "t", keys, out=whole) is whole
    assert_same_bits(whole, expected[keys])
    wide = np.full((4, 12), 7, NUMPY[out])
    service.lookup("m", "t", keys.ravel(), out=wide[:, 4:9])
    assert_same_bits(np.ascontiguousarray(wide[:, 4:9]), expected[keys.ravel()])
    assert (wide[:, :4] == 7).all()
    assert (wide[:, 9:] == 7).all()


def test_bf16_may_be_written_as_raw_bits(open_table: Open, make_rows: Make) -> None:
    rows = make_rows(10, 5, "bf16")
    service = open_table(rows, "bf16")
    bits = np.zeros((2, 5), np.uint16)
    service.lookup("m", "t", [9, 1], out=bits, out_dtype="bf16")
    assert_same_bits(bits, rows[[9, 1]].view(np.uint16))


def test_out_that_does_not_fit_is_refused(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(10, 4))
    read_only = np.zeros((3, 4), np.float32)
    read_only.flags.writeable = False
    cases: list[tuple[Any, str]] = [
        (np.zeros((3, 5), np.float32), "shape"),
        (np.zeros((4, 4), np.float32), "shape"),
        (read_only, "read-only"),
        (np.zeros((4, 3), np.float32).T, "last axis"),
        (np.zeros((3, 8), np.float32)[:, ::2], "last axis"),
        (np.zeros((3, 4), np.float32)[::-1], "one after the other"),
        (np.broadcast_to(np.zeros((1, 4), np.float32), (3, 4)), "read-only|one after"),
        (np.zeros((3, 4), np.float64), "float64"),
        (np.zeros((3, 4), np.uint16), "uint16"),
        ([0.0], "list"),
    ]
    for out, message in cases:
        with pytest.raises(UserError, match=message):
            service.lookup("m", "t", [1, 2, 3], out=out)
    with pytest.raises(UserError, match="out_dtype says fp16"):
        service.lookup("m", "t", [1], out=np.zeros((1, 4), np.float32), out_dtype="fp16")
    with pytest.raises(UserError, match="fp32, fp16, bf16"):
        service.lookup("m", "t", [1], out_dtype="int8")
    with pytest.raises(UserError, match="one after the other"):
        service.lookup("m", "t", np.ones((2, 2), int), out=np.zeros((2, 3, 4), "f4")[:, ::2])


def test_unresolved_that_does_not_fit_is_refused(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(10, 4))
    for flags in (np.zeros(2, np.uint8), np.zeros(3, np.int32), np.zeros(6, np.uint8)[::2]):
        with pytest.raises(UserError, match="unresolved"):
            service.lookup("m", "t", [1, 2, 3], unresolved=flags)


def test_index_mode_onnx_counts_from_the_end(open_table: Open, make_rows: Make) -> None:
    rows = make_rows(10, 4)
    service = open_table(rows, default=8.0)
    keys = np.array([-1, -10, -11, 9, 10], np.int32)
    found = service.lookup("m", "t", keys, index_mode="onnx")
    default = np.full(4, 8, np.float32)
    assert_same_bits(found, np.stack([rows[9], rows[0], default, rows[9], default]))
    assert service.defaults == 2
    service.lookup("m", "t", keys)
    assert service.defaults == 4
    with pytest.raises(UserError, match="index_mode"):
        service.lookup("m", "t", keys, index_mode="python")


def test_a_strict_table_names_the_key(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(10, 4), unknown="error")
    with pytest.raises(NativeUserError, match=r"m/t: key 10 at position 1 ") as caught:
        service.lookup("m", "t", [3, 10, 11])
    assert caught.value.code == 7


def test_unknown_names_list_the_known_ones(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(10, 4))
    with pytest.raises(NativeUserError, match="no model 'x'; it has m") as caught:
        service.lookup("x", "t", [1])
    assert caught.value.code == 2
    with pytest.raises(UserError, match="no table 'x'; it has t"):
        service.lookup("m", "x", [1])
    with pytest.raises(UserError, match="NUL"):
        service.lookup("m\0", "t", [1])


@pytest.mark.parametrize("out", OUTS)
def test_big_batches_on_several_threads(open_table: Open, make_rows: Make, out: str) -> None:
    rows = make_rows(5000, 16)
    service = open_table(rows, threads=3, default=-1.0)
    keys = np.random.default_rng(4).integers(0, 5100, 60000)
    unresolved = np.empty(keys.shape, np.uint8)
    found = service.lookup("m", "t", keys, out_dtype=out, unresolved=unresolved)
    padded = np.concatenate([rows, np.full((100, 16), -1, np.float32)])
    assert_same_bits(found, expected_rows(padded, None, out)[keys])
    assert np.array_equal(unresolved, keys >= 5000)
    assert service.defaults == (keys >= 5000).sum()


def test_put_and_erase_live_until_reload(open_table: Open, make_rows: Make) -> None:
    rows = make_rows(10, 4)
    service = open_table(rows, default=-9.0)
    fresh = make_rows(2, 4, seed=5)
    service.put("m", "t", np.array([3, 77], np.int32), fresh)
    service.erase("m", "t", [4, 500])
    found = service.lookup("m", "t", [3, 77, 4, 5])
    assert_same_bits(found, np.stack([fresh[0], fresh[1], np.full(4, -9, np.float32), rows[5]]))
    service.reload()
    assert_same_bits(service.lookup("m", "t", [3, 4]), rows[[3, 4]])
    assert service.lookup("m", "t", [77])[0, 0] == -9


def test_put_of_int8_rows_takes_scales(open_table: Open, make_rows: Make) -> None:
    rows = make_rows(5, 6, "int8")
    service = open_table(rows, "int8", scales=np.ones(5, np.float32))
    fresh, scales = make_rows(2, 6, "int8", seed=1), np.array([0.5, 1e-3], np.float32)
    service.put("m", "t", [1, 9], fresh, scales=scales)
    expected = fresh.astype(np.float32) * scales[:, None]
    assert_same_bits(service.lookup("m", "t", [1, 9]), expected)
    with pytest.raises(UserError, match="scales"):
        service.put("m", "t", [1, 9], fresh)
    with pytest.raises(UserError, match="rows: are"):
        service.put("m", "t", [1, 9], fresh[:, :3], scales=scales)


def test_put_that_does_not_fit_is_refused(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(10, 4, "fp16"), "fp16")
    for rows in (make_rows(2, 4), make_rows(2, 5, "fp16"), make_rows(3, 4, "fp16")):
        with pytest.raises(UserError, match="rows: are"):
            service.put("m", "t", [1, 2], rows)
    with pytest.raises(UserError, match="vector"):
        service.put("m", "t", [[1, 2]], make_rows(2, 4, "fp16"))


def test_table_info(open_table: Open, make_rows: Make) -> None:
    dense = open_table(make_rows(10, 4, "bf16"), "bf16").table_info("m", "t")
    assert (dense.rows, dense.dim, dense.dtype, dense.dense) == (10, 4, "bf16", True)
    assert dense.row_bytes == 8
    keys = np.array([9, 7, 8])
    hashed = open_table(make_rows(3, 5), keys=keys, folder="hashed").table_info("m", "t")
    assert (hashed.rows, hashed.dim, hashed.dtype, hashed.dense) == (3, 5, "fp32", False)


def test_statistics(open_table: Open, make_rows: Make) -> None:
    service = open_table(make_rows(10, 4))
    service.lookup("m", "t", [1, 2, 30])
    with pytest.raises(NativeError):
        service.lookup("m", "nothing", [1])
    (model,) = service.statistics()["models"]
    (table,) = model["tables"]
    assert model["name"] == "m"
    assert table["name"] == "t"
    service.put("m", "t", [3], make_rows(1, 4))
    assert service.statistics()["models"][0]["tables"][0]["overlay_rows"] == 1
    counts = {name: table[name] for name in ("rows", "lookups", "keys_looked_up", "defaults")}
    assert counts == {"rows": 10, "lookups": 1, "keys_looked_up": 3, "defaults": 1}


def test_progress_is_told_and_may_cancel(make_config: Make, make_rows: Make) -> None:
    path = make_config(make_rows(1000, 64), memory="copied")
    calls: list[tuple[str, int, int]] = []
    with Service.open(path, progress=lambda *call: calls.append(call)):
        pass
    assert {name for name, _, _ in calls} == {"t"}
    assert calls[-1][1] == calls[-1][2] >= 1000 * 64 * 4
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)
    with pytest.raises(NativeError) as caught:
        Service.open(path, progress=lambda *_: False)
    assert caught.value.code == 9
    assert not isinstance(caught.value, UserError)


def test_what_a_progress_callback_raises_is_raised(
    make_config: Make, make_rows: Make, rewrite_table: Make
) -> None:
    path = make_config(make_rows(10, 4), memory="copied")

    def refuse(*_: Any) -> None:
        raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt, match="enough"):
        Service.open(path, progress=refuse)
    with Service.open(path) as service:
        service.reload(refuse)  # the files are those that are open: nothing is read
        rewrite_table(path.parent / "tables" / "t", make_rows(10, 4, seed=1))
        with pytest.raises(KeyboardInterrupt):
            service.reload(refuse)


def test_a_closed_service_says_so(make_config: Make, make_rows: Make) -> None:
    service = Service.open(make_config(make_rows(10, 4)))
    service.close()
    service.close()
    with pytest.raises(NativeUserError, match="not open") as caught:
        service.lookup("m", "t", [1])
    assert caught.value.code == 2


def test_reload_serves_the_new_rows(
    make_config: Make, make_rows: Make, rewrite_table: Make
) -> None:
    rows, fresh = make_rows(10, 4), make_rows(10, 4, seed=1)
    path = make_config(rows)
    with Service.open(path) as service:
        rewrite_table(path.parent / "tables" / "t", fresh)
        assert_same_bits(service.lookup("m", "t", [2]), rows[[2]])
        service.reload()
        assert_same_bits(service.lookup("m", "t", [2]), fresh[[2]])


def test_reload_says_when_the_path_leads_to_another_file(
    make_config: Make, make_rows: Make, tmp_path: Path
) -> None:
    """As deployments switch versions: by a symbolic link."""
    rows, fresh = make_rows(10, 4), make_rows(10, 4, seed=1)
    old, new = make_config(rows, folder="v1"), make_config(fresh, folder="v2")
    link = tmp_path / "current"
    link.symlink_to(old.parent)
    with Service.open(link / "hps.json") as service:
        service.reload()
        link.unlink()
        for target in (new.parent, tmp_path / "gone"):
            link.symlink_to(target)
            with pytest.raises(NativeUserError, match="open the new file beside it") as caught:
                service.reload()
            assert caught.value.code == 1
            assert str(old) in str(caught.value)
            link.unlink()
        assert_same_bits(service.lookup("m", "t", [2]), rows[[2]])


def test_reload_that_fails_keeps_the_old_rows(make_config: Make, make_rows: Make) -> None:
    rows = make_rows(10, 4)
    path = make_config(rows)
    with Service.open(path) as service:
        path.write_text("{")
        with pytest.raises(NativeUserError) as caught:
            service.reload()
        assert caught.value.code == 3
        assert_same_bits(service.lookup("m", "t", [2]), rows[[2]])


def test_config_check(make_config: Make, make_rows: Make, tmp_path: Path) -> None:
    found = native.config_check(make_config(make_rows(10, 4), default=2.5))
    (table,) = found["models"][0]["tables"]
    assert (table["rows"], table["dim"]) == (10, 4)
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"format": "hps-trt/1", "modells": []}))
    with pytest.raises(NativeUserError, match="modells") as caught:
        native.config_check(wrong)
    assert caught.value.code == 3
    assert "\n" not in str(caught.value)
    with pytest.raises(NativeUserError):
        native.config_check(tmp_path / "missing.json")


def test_node_check() -> None:
    attributes = {
        "ps_config_file": "ps.json",
        "model_name": "m",
        "table_id": 0,
        "emb_vec_size": [16],
    }
    found = native.node_check(1, attributes)
    assert found["model_name"] == "m"
    assert found["emb_vec_size"] == [16]
    with pytest.raises(NativeUserError) as caught:
        native.node_check(1, {"model_name": "m"})
    assert caught.value.code == 1
    with pytest.raises(NativeUserError, match="not an integer"):
        native.node_check(1, attributes | {"table_id": 1.5})  # type: ignore[dict-item]
    with pytest.raises(NativeUserError):
        native.node_check(3, attributes)


def test_the_library_is_of_this_package() -> None:
    assert native.version() == hps_trt.__version__


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HPS_TRT_LIBRARY", str(tmp_path / "none.so"))
    with pytest.raises(UserError, match="HPS_TRT_LIBRARY says so"):
        native.library_path()
    not_one = tmp_path / "text.so"
    not_one.write_text("not a library")
    monkeypatch.setenv("HPS_TRT_LIBRARY", str(not_one))
    with pytest.raises(UserError, match="cannot be used"):
        native.load()


def test_errors_are_of_the_package() -> None:
    assert issubclass(NativeError, HpsError)
    assert issubclass(NativeUserError, (UserError, NativeError))
