"""Tensors in files beside the model: which file, which bytes, and whether that is allowed.

ONNX keeps `location`, `offset` and `length` as free text that comes with the model, so all three
are checked before a byte is read: the file must be a regular file below the model's folder (also
after symbolic links are followed) and must hold as many bytes as the tensor's extents ask for.
"""

from __future__ import annotations

import math
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx

from hps_trt.surgery.errors import SurgeryError

#: Bytes per element of the types whose elements fill whole bytes.
ITEM_BYTES: dict[int, int] = {
    onnx.TensorProto.FLOAT: 4,
    onnx.TensorProto.UINT8: 1,
    onnx.TensorProto.INT8: 1,
    onnx.TensorProto.UINT16: 2,
    onnx.TensorProto.INT16: 2,
    onnx.TensorProto.INT32: 4,
    onnx.TensorProto.INT64: 8,
    onnx.TensorProto.BOOL: 1,
    onnx.TensorProto.FLOAT16: 2,
    onnx.TensorProto.DOUBLE: 8,
    onnx.TensorProto.UINT32: 4,
    onnx.TensorProto.UINT64: 8,
    onnx.TensorProto.COMPLEX64: 8,
    onnx.TensorProto.COMPLEX128: 16,
    onnx.TensorProto.BFLOAT16: 2,
    onnx.TensorProto.FLOAT8E4M3FN: 1,
    onnx.TensorProto.FLOAT8E4M3FNUZ: 1,
    onnx.TensorProto.FLOAT8E5M2: 1,
    onnx.TensorProto.FLOAT8E5M2FNUZ: 1,
}


@dataclass(frozen=True)
class Extent:
    """`length` bytes of `path` from `offset` on; the file had them when this was made."""

    path: Path
    offset: int
    length: int


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether the tensor's data lies in another file."""
    return bool(tensor.data_location == onnx.TensorProto.EXTERNAL)


def elements(tensor: onnx.TensorProto) -> int:
    """Number of elements by the tensor's extents.

    Raises:
        SurgeryError: an extent is negative.
    """
    if any(extent < 0 for extent in tensor.dims):
        raise SurgeryError(
            f"tensor '{tensor.name}': extents {list(tensor.dims)} hold a negative one"
        )
    return math.prod(tensor.dims)


def nbytes(tensor: onnx.TensorProto) -> int | None:
    """Bytes the tensor's elements fill, or None for types of less than a byte and strings."""
    item = ITEM_BYTES.get(tensor.data_type)
    return None if item is None else item * elements(tensor)


def locate(tensor: onnx.TensorProto, source_dir: Path | None) -> Extent:
    """Where the external data of `tensor` lies.

    Args:
        tensor: a tensor with external data.
        source_dir: the folder of the model file; None when the model came from memory.

    Raises:
        SurgeryError: the folder is not known, the location leaves it, the file is missing or not a
            regular file, or offset and length do not fit the file or the tensor.
    """
    where = f"tensor '{tensor.name}'"
    entries = _entries(tensor)
    location = entries.get("location", "")
    if source_dir is None:
        raise SurgeryError(
            f"{where}: its data is in '{location}', but the model came without a folder; load "
            "the model "
            "by its path, or name the folder as source_dir"
        )
    pure = PurePosixPath(location)
    if not location or "\0" in location or pure.is_absolute() or ".." in pure.parts:
        raise SurgeryError(
            f"{where}: external location {location!r} must stay in the model's folder"
        )
    path = source_dir / location
    try:
        inside = path.resolve().is_relative_to(source_dir.resolve())
        status = path.stat()
    except (OSError, RuntimeError) as error:
        raise SurgeryError(
            f"{where}: external data file '{path}' cannot be read: {error}"
        ) from error
    if not inside:
        raise SurgeryError(f"{where}: external data file '{path}' leads out of the model's folder")
    if not stat.S_ISREG(status.st_mode):
        raise SurgeryError(f"{where}: external data file '{path}' is not a regular file")
    return _extent(tensor, entries, path, status.st_size)


def _extent(
    tensor: onnx.TensorProto, entries: dict[str, str], path: Path, file_bytes: int
) -> Extent:
    where = f"tensor '{tensor.name}'"
    offset = _number(where, "offset", entries.get("offset", "0"))
    need = nbytes(tensor)
    if "length" in entries:
        length = _number(where, "length", entries["length"])
    else:
        length = file_bytes - offset if need is None else need
    if need is not None and length != need:
        raise SurgeryError(
            f"{where}: external length {length} in '{path}', but extents {list(tensor.dims)} "
            f"need {need} bytes"
        )
    if length < 0 or offset + length > file_bytes:
        raise SurgeryError(
            f"{where}: bytes {offset}..{offset + length} of '{path}', which has only "
            f"{file_bytes} bytes; "
            "the file is cut short or belongs to another model"
        )
    return Extent(path=path, offset=offset, length=length)


def _entries(tensor: onnx.TensorProto) -> dict[str, str]:
    entries: dict[str, str] = {}
    for entry in tensor.external_data:
        if entry.key in entries:
            raise SurgeryError(f"tensor '{tensor.name}': external key '{entry.key}' is given twice")
        entries[entry.key] = entry.value
    return entries


def _number(where: str, key: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise SurgeryError(f"{where}: external {key} {text!r} is not a number of bytes")
    return int(text)
