"""The plugin driven as TensorRT drives it, with a bundle that the converter made.

The library is called through the numbered virtual slots of TensorRT's interfaces, without TensorRT:
the node's attributes become fields as the ONNX parser makes them, and the fields of the plugin made
for building go to one made for running, as in an engine. tests/cpp/tensorrt/ has the rest.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import AttributeProto

from hps_trt import bundle

FIELD_INT32, FIELD_CHAR = 5, 6
BUILD, RUNTIME = 0, 1
FLOAT, INT32, INT64 = 0, 3, 8


class Field(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("type", ctypes.c_int32),
        ("length", ctypes.c_int32),
    )


class Fields(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int32), ("fields", ctypes.POINTER(Field)))


def call(address: int, slot: int, result, *arguments):
    """Calls virtual function number `slot` of the object at `address`."""
    table = ctypes.c_void_p.from_address(address).value
    function = ctypes.c_void_p.from_address(table + 8 * slot).value
    types = [type(argument) for argument in arguments]
    return ctypes.CFUNCTYPE(result, ctypes.c_void_p, *types)(function)(address, *arguments)


class Host:
    """TensorRT's part: finds creators, makes and destroys plugins."""

    def __init__(self, library: Path):
        self.library = ctypes.CDLL(str(library))
        self.library.getCreators.restype = ctypes.POINTER(ctypes.c_void_p)
        self.library.hps_last_error.restype = ctypes.c_char_p
        count = ctypes.c_int32(-1)
        creators = self.library.getCreators(ctypes.byref(count))
        assert count.value == 2
        self.creators = {
            call(creators[i], 7, ctypes.c_char_p).decode(): creators[i] for i in range(2)
        }

    def create(self, version: str, fields: Fields, phase: int) -> int | None:
        return call(
            self.creators[version],
            4,
            ctypes.c_void_p,
            ctypes.c_char_p(b"n"),
            ctypes.pointer(fields),
            ctypes.c_int32(phase),
        )

    def error(self) -> str:
        return self.library.hps_last_error().decode()


def parser_fields(node: onnx.NodeProto) -> tuple[Fields, list]:
    """What the ONNX parser makes of a node's attributes, and the memory behind it."""
    kept: list = []
    fields = []
    for attribute in node.attribute:
        if attribute.name in ("plugin_version", "plugin_namespace"):
            continue
        if attribute.type == AttributeProto.STRING:
            memory = ctypes.create_string_buffer(attribute.s)
            kind, length = FIELD_CHAR, len(attribute.s) + 1
        else:
            values = attribute.ints if attribute.type == AttributeProto.INTS else [attribute.i]
            memory = (ctypes.c_int32 * len(values))(*values)
            kind, length = FIELD_INT32, len(values)
        kept.append(memory)
        name = attribute.name.encode()
        fields.append(Field(name, ctypes.cast(memory, ctypes.c_void_p), kind, length))
    array = (Field * len(fields))(*fields)
    return Fields(len(fields), array), [*kept, array]


def contents(fields: Fields) -> dict[str, tuple[int, bytes]]:
    found = {}
    for field in fields.fields[: fields.count]:
        width = 1 if field.type == FIELD_CHAR else 4
        found[field.name.decode()] = (
            field.type,
            ctypes.string_at(field.data, field.length * width),
        )
    return found


def serialized(plugin: int) -> Fields:
    runtime = call(plugin, 4, ctypes.c_void_p, ctypes.c_int32(2))
    return call(runtime, 8, ctypes.POINTER(Fields)).contents


@pytest.fixture
def host(library) -> Host:
    return Host(library)


@pytest.fixture
def shop_bundle(make_shop, tmp_path) -> Path:
    bundle.convert(make_shop().path, tmp_path / "bundle")
    return tmp_path / "bundle"


def lookup_node(folder: Path) -> onnx.NodeProto:
    model = onnx.load(folder / "model.onnx")
    (node,) = (node for node in model.graph.node if node.op_type == "HPS_TRT")
    return node


def test_what_the_converter_writes_is_built_serialized_and_run(host, shop_bundle, monkeypatch):
    monkeypatch.setenv("HPS_TRT_CONFIG", str(shop_bundle / "hps.json"))
    given, memory = parser_fields(lookup_node(shop_bundle))
    built = host.create("2", given, BUILD)
    assert built, host.error()
    stored = serialized(built)
    wanted = contents(given)
    assert contents(stored) == wanted
    build = call(built, 4, ctypes.c_void_p, ctypes.c_int32(1))
    types = (ctypes.c_int32 * 2)(-1, -1)
    inputs = (ctypes.c_int32 * 2)(INT64, INT32)
    status = call(
        build,
        5,
        ctypes.c_int32,
        ctypes.pointer(types),
        ctypes.c_int32(2),
        ctypes.pointer(inputs),
        ctypes.c_int32(2),
    )
    assert (status, list(types)) == (0, [FLOAT, FLOAT])

    running = host.create("2", stored, RUNTIME)
    assert running, host.error()
    copy = call(running, 5, ctypes.c_void_p)
    for plugin in (built, running):
        call(plugin, 3, None)
    assert contents(serialized(copy)) == wanted
    call(copy, 3, None)
    del memory


def test_without_its_tables_there_is_no_running_plugin(host, shop_bundle, monkeypatch):
    monkeypatch.setenv("HPS_TRT_CONFIG", str(shop_bundle / "hps.json"))
    given, memory = parser_fields(lookup_node(shop_bundle))
    shutil.rmtree(shop_bundle / "tables")
    built = host.create("2", given, BUILD)
    assert built, host.error()
    assert host.create("2", serialized(built), RUNTIME) is None
    assert "emb_vector" in host.error() or "tables" in host.error()
    call(built, 3, None)
    del memory


def test_another_bundle_in_the_same_place_is_refused(host, shop_bundle, make_shop, tmp_path):
    given, memory = parser_fields(lookup_node(shop_bundle))
    bundle.convert(make_shop("other.onnx", seed=9).path, tmp_path / "other")
    shutil.rmtree(shop_bundle)
    (tmp_path / "other").rename(shop_bundle)
    assert host.create("2", given, RUNTIME) is None
    assert contents(given)["bundle_id"][1].rstrip(b"\0").decode() in host.error()
    del memory


def test_loading_costs_a_process_without_tensorrt_nothing_but_the_library(library):
    """A preloaded library reaches every shell: no thread, no CUDA, no file of its own, no word."""
    code = (
        "import os, threading; "
        "maps = open('/proc/self/maps').read(); "
        "print('libhps_plugin' in maps, 'libcuda' in maps, 'libnvinfer' in maps, "
        "len(os.listdir('/proc/self/task')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("True False False 1\n", "")


def test_nothing_but_the_entry_points_is_exported(library):
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm (binutils) is not installed")
    listed = subprocess.run(
        [nm, "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[2].split("@")[0] for line in listed.splitlines()}
    assert {name for name in names if not name.startswith("hps_")} == {
        "RegisterCustomOps",
        "getCreators",
        "setLoggerFinder",
        "getPluginRegistry",
        "createInferRuntime_INTERNAL",
    }
