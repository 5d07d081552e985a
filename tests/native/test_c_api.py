"""The C interface itself: what a C program can get wrong is an error, never a crash."""

import ctypes
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hps_trt.native import library

Make = Callable[..., Any]
DIM = 4
INVALID, NOT_FOUND, UNSUPPORTED = 1, 2, 6


@pytest.fixture
def opened(make_config: Make, make_rows: Make) -> Iterator[SimpleNamespace]:
    """A raw handle, and a call that gives (code, message)."""
    native = library.load()
    rows = make_rows(10, DIM)
    handle = ctypes.c_uint64()
    path = str(make_config(rows)).encode()
    assert native.hps_open(path, None, ctypes.byref(handle)) == 0

    def call(name: str, *arguments: Any) -> tuple[int, str]:
        code = getattr(native, name)(*arguments)
        return code, native.hps_last_error().decode() if code else ""

    yield SimpleNamespace(native=native, handle=handle.value, rows=rows, call=call, path=path)
    native.hps_close(handle)


@pytest.fixture
def arguments() -> SimpleNamespace:
    """Correct arguments of a lookup of keys 1, 2, 30."""
    keys = np.array([1, 2, 30], np.int64)
    out = np.full((3, DIM), 9, np.float32)
    args = library.LookupArgs(
        struct_size=ctypes.sizeof(library.LookupArgs),
        keys=keys.ctypes.data,
        key_type=7,
        out_type=1,
        count=3,
        key_stride=1,
        out=out.ctypes.data,
        out_stride=4 * DIM,
    )
    return SimpleNamespace(args=args, keys=keys, out=out)


def look_up(opened: SimpleNamespace, args: Any) -> tuple[int, str]:
    found: tuple[int, str] = opened.call("hps_lookup", opened.handle, b"m", b"t", args)
    return found


def test_a_correct_call(opened: SimpleNamespace, arguments: SimpleNamespace) -> None:
    assert look_up(opened, arguments.args) == (0, "")
    assert np.array_equal(arguments.out[:2], opened.rows[[1, 2]])
    assert arguments.args.defaults == 1
    assert not arguments.out[2].any()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no keys": ({"keys": None}, "args->keys is a null pointer"),
    "no out": ({"out": None}, "args->out is a null pointer"),
    "key type": ({"key_type": 1}, "key_type is 1"),
    "out type": ({"out_type": 3}, "out_type is 3"),
    "stride 0": ({"key_stride": 0}, "key_stride is 0"),
    "short rows": ({"out_stride": 4 * DIM - 1}, "out_stride is 15 bytes, and a row has 16"),
    "mode": ({"index_mode": 2}, "index_mode is 2"),
    "count": ({"count": (1 << 64) - 1}, "does not fit in memory"),
    "many rows": ({"count": 1 << 60, "out_stride": 1 << 40}, "does not fit in memory"),
    "more than positions": ({"count": 1 << 33}, "split the batch"),
    "huge stride": ({"key_stride": -(1 << 63)}, "key_stride -9223372036854775808 does not fit"),
    "dim": ({"dim": 5}, "rows of 5 elements are expected, and table 't' has 4"),
    "size 0": ({"struct_size": 0}, "struct_size is 0"),
    "size within keys": ({"struct_size": 12}, "struct_size is 12"),
    "size wild": ({"struct_size": 1 << 40}, "is no structure of this library"),
    "size within a pointer": (
        {"struct_size": library.LookupArgs.unresolved.offset + 4, "unresolved": 1 << 40},
        "is no structure of this library",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_arguments(opened: SimpleNamespace, arguments: SimpleNamespace, what: str) -> None:
    fields, message = WRONG[what]
    for name, value in fields.items():
        setattr(arguments.args, name, value)
    code, text = look_up(opened, arguments.args)
    assert code == INVALID
    assert message in text
    assert (arguments.out == 9).all()


def test_changes_need_aligned_keys(opened: SimpleNamespace, arguments: SimpleNamespace) -> None:
    address, row = arguments.keys.ctypes.data + 4, b"\0" * (4 * DIM)
    for name, more in (("hps_put", (1, row, 4 * DIM)), ("hps_erase", (1,))):
        code, text = opened.call(name, opened.handle, b"m", b"t", address, *more)
        assert code == INVALID, name
        assert "no multiple of 8" in text


def test_count_0_needs_no_pointers(opened: SimpleNamespace, arguments: SimpleNamespace) -> None:
    arguments.args.count = 0
    arguments.args.keys = None
    arguments.args.out = None
    arguments.args.defaults = 5
    assert look_up(opened, arguments.args)[0] == 0
    assert arguments.args.defaults == 0


def test_an_older_caller(opened: SimpleNamespace, arguments: SimpleNamespace) -> None:
    """Its structure ends before `unresolved`: what lies behind is neither read nor written."""
    arguments.args.struct_size = library.LookupArgs.unresolved.offset
    arguments.args.unresolved = 1
    arguments.args.defaults = 77
    assert look_up(opened, arguments.args) == (0, "")
    assert np.array_equal(arguments.out[:2], opened.rows[[1, 2]])
    assert arguments.args.defaults == 77


def test_a_newer_caller(opened: SimpleNamespace, arguments: SimpleNamespace) -> None:
    size = ctypes.sizeof(library.LookupArgs)
    room = (ctypes.c_uint8 * (size + 16))()
    arguments.args.struct_size = size + 16
    ctypes.memmove(room, ctypes.byref(arguments.args), size)
    args = ctypes.cast(room, ctypes.POINTER(library.LookupArgs))
    assert look_up(opened, args) == (0, "")
    room[size + 3] = 1
    code, text = look_up(opened, args)
    assert code == UNSUPPORTED
    assert "does not know" in text


def test_null_pointers(opened: SimpleNamespace) -> None:
    handle = opened.handle
    calls = [
        ("hps_open", None, None, ctypes.byref(ctypes.c_uint64())),
        ("hps_open", opened.path, None, None),
        ("hps_lookup", handle, b"m", b"t", None),
        ("hps_lookup", handle, None, b"t", ctypes.byref(library.LookupArgs())),
        ("hps_get_table_info", handle, b"m", b"t", None),
        ("hps_get_table_info", handle, b"m", None, ctypes.byref(library.TableInfoStruct())),
        ("hps_put", handle, b"m", b"t", None, 1, b"x", 16),
        ("hps_erase", handle, b"m", b"t", None, 1),
        ("hps_statistics", handle, None),
        ("hps_config_check", None, ctypes.byref(ctypes.c_void_p())),
        ("hps_config_check", opened.path, None),
        ("hps_node_check", 1, None, ctypes.byref(ctypes.c_void_p())),
    ]
    for name, *rest in calls:
        code, text = opened.call(name, *rest)
        assert code == INVALID, name
        assert text, name
    opened.native.hps_free(None)


def test_handles_that_are_not_open(opened: SimpleNamespace) -> None:
    for handle in (0, opened.handle + 1000, (1 << 64) - 1):
        assert opened.call("hps_close", handle)[0] == NOT_FOUND
        assert opened.call("hps_reload", handle, None)[0] == NOT_FOUND


def test_put_checks_the_row_size(opened: SimpleNamespace) -> None:
    keys, rows = np.array([1], np.int64), np.zeros(64, np.uint8)
    for size in (15, 17, 0, (1 << 64) - 1):
        code, text = opened.call(
            "hps_put", opened.handle, b"m", b"t", keys.ctypes.data, 1, rows.ctypes.data, size
        )
        assert code == INVALID
        assert "has 16" in text
    code, text = opened.call(
        "hps_put", opened.handle, b"m", b"t", keys.ctypes.data, 1 << 61, rows.ctypes.data, 16
    )
    assert code == INVALID
    assert "does not fit" in text
    assert opened.call("hps_put", opened.handle, b"m", b"t", None, 0, None, 16)[0] == 0
    assert opened.call("hps_erase", opened.handle, b"m", b"t", None, 0)[0] == 0


def test_a_shorter_table_info(opened: SimpleNamespace) -> None:
    info = library.TableInfoStruct(struct_size=library.TableInfoStruct.dense.offset, dense=55)
    code = opened.call("hps_get_table_info", opened.handle, b"m", b"t", ctypes.byref(info))
    assert code == (0, "")
    assert (info.rows, info.dim, info.row_type, info.dense) == (10, DIM, 1, 55)
    info.struct_size = 4
    code, text = opened.call("hps_get_table_info", opened.handle, b"m", b"t", ctypes.byref(info))
    assert code == INVALID
    assert "struct_size is 4" in text


def test_node_check_refuses_what_is_no_object(opened: SimpleNamespace) -> None:
    text = ctypes.c_void_p()
    for wrong in (b"", b"[]", b"{", b"1", b'{"a": {}}', b'{"a": [1, "x"]}', b'{"a": 1e3}'):
        code, message = opened.call("hps_node_check", 2, wrong, ctypes.byref(text))
        assert code == INVALID, wrong
        assert message
        assert text.value is None


def test_node_check_refuses_a_name_given_twice(opened: SimpleNamespace) -> None:
    text = ctypes.c_void_p()
    twice = b'{"tables": "a", "config_file": "x", "tables": "b"}'
    code, message = opened.call("hps_node_check", 2, twice, ctypes.byref(text))
    assert code == INVALID
    assert "attribute 'tables' is given twice" in message


def test_node_check_survives_deep_nesting_and_keeps_its_message_short(
    opened: SimpleNamespace,
) -> None:
    """A million levels are more than the stack holds."""
    text = ctypes.c_void_p()
    for deep in (
        b"[" * 1_000_000 + b"]" * 1_000_000,
        b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000,
        b'["' + b"x" * 1_000_000 + b'"]',
    ):
        code, message = opened.call(
            "hps_node_check", 2, b'{"a": ' + deep + b"}", ctypes.byref(text)
        )
        assert code == INVALID
        assert "attribute 'a'" in message
        assert len(message) < 300
