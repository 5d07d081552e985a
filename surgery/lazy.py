"""Reads a model file without the tables inside it.

The data of a large initializer is found in the serialised model and left where it is: the tensor
becomes an external one that names the model file itself. So a model with all its tables inside
takes as little memory as one with the tables beside it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx

from hps_trt.surgery.wire import BYTES, FIXED32, FIXED64, VARINT, varint, varint_bytes

#: Data of this many bytes or more stays in the file.
LEAST_BYTES = 1 << 20


@dataclass(frozen=True)
class _Field:
    number: int
    kind: int
    start: int
    value: int
    end: int


def read_without_tables(path: Path) -> bytes:
    """The serialised model with large initializers pointing into the file.

    Raises:
        ValueError: the file is not a sound protobuf message.
        OSError: the file cannot be read.
    """
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        return _message(data, 0, len(data), path.name, _MODEL)


#: Field number -> what is inside, down to the initializers: model, graph, tensor.
_TENSOR: dict[int, object] = {}
_GRAPH: dict[int, object] = {onnx.GraphProto.INITIALIZER_FIELD_NUMBER: _TENSOR}
_MODEL: dict[int, object] = {onnx.ModelProto.GRAPH_FIELD_NUMBER: _GRAPH}


def _message(
    data: memoryview, start: int, end: int, location: str, inside: dict[int, object]
) -> bytes:
    """A message copied, with the tensors below it made external."""
    parts: list[bytes] = []
    for field in _fields(data, start, end):
        inner = inside.get(field.number)
        if inner is None or field.kind != BYTES:
            parts.append(bytes(data[field.start : field.end]))
            continue
        if inner is _TENSOR:
            body = _tensor(data, field.value, field.end, location)
        else:
            assert isinstance(inner, dict)
            body = _message(data, field.value, field.end, location, inner)
        parts += [varint_bytes(field.number << 3 | BYTES), varint_bytes(len(body)), body]
    return b"".join(parts)


def _tensor(data: memoryview, start: int, end: int, location: str) -> bytes:
    """One TensorProto; made external when it has its data once, raw, and large."""
    fields = list(_fields(data, start, end))
    raw = [item for item in fields if item.number == onnx.TensorProto.RAW_DATA_FIELD_NUMBER]
    stored = (
        onnx.TensorProto.DATA_LOCATION_FIELD_NUMBER,
        onnx.TensorProto.EXTERNAL_DATA_FIELD_NUMBER,
    )
    if (
        len(raw) != 1
        or raw[0].kind != BYTES
        or raw[0].end - raw[0].value < LEAST_BYTES
        or any(item.number in stored for item in fields)
    ):
        return bytes(data[start:end])
    pointer = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    length = raw[0].end - raw[0].value
    for key, text in (("location", location), ("offset", raw[0].value), ("length", length)):
        entry = pointer.external_data.add()
        entry.key, entry.value = key, str(text)
    kept = [bytes(data[item.start : item.end]) for item in fields if item is not raw[0]]
    return b"".join([*kept, pointer.SerializeToString()])


def _fields(data: memoryview, start: int, end: int) -> Iterator[_Field]:
    position = start
    while position < end:
        tag, value = varint(data, position, end)
        kind = tag & 7
        if kind == VARINT:
            _, stop = varint(data, value, end)
        elif kind == BYTES:
            length, value = varint(data, value, end)
            stop = value + length
        elif kind in (FIXED32, FIXED64):
            stop = value + (4 if kind == FIXED32 else 8)
        else:
            raise ValueError(f"wire type {kind}")
        if stop > end:
            raise ValueError("a field is longer than its message")
        yield _Field(tag >> 3, kind, position, value, stop)
        position = stop
