"""The little of protobuf's wire format that is needed to get at bytes as they are stored."""

from __future__ import annotations

import onnx

from hps_trt.surgery.errors import SurgeryError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def packed_floats(tensor: onnx.TensorProto) -> bytes:
    """The tensor's `float_data` as little-endian bytes, bit for bit.

    Python's protobuf hands each float over as a double, and a conversion there and back turns a
    signalling NaN into a quiet one; the wire format has the bytes as they are.
    """
    data = memoryview(tensor.SerializeToString())
    parts: list[memoryview] = []
    position = 0
    while position < len(data):
        tag, position = varint(data, position, len(data))
        kind = tag & 7
        if kind == VARINT:
            _, position = varint(data, position, len(data))
            continue
        if kind == BYTES:
            length, position = varint(data, position, len(data))
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise SurgeryError(f"tensor '{tensor.name}': unexpected wire type {kind}")
        if tag >> 3 == onnx.TensorProto.FLOAT_DATA_FIELD_NUMBER:
            parts.append(data[position : position + length])
        position += length
    return b"".join(parts)


def varint(data: memoryview, position: int, end: int) -> tuple[int, int]:
    """A number of variable length and the position after it.

    Raises:
        ValueError: it has no end before `end`, or more than ten bytes.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise ValueError("cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number of more than ten bytes")


def varint_bytes(value: int) -> bytes:
    """The inverse of `varint`, for numbers that are not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
