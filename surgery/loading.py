"""Where a model comes from: a file, a ModelProto, or an onnx-graphsurgeon Graph."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.lazy import LEAST_BYTES, read_without_tables
from hps_trt.surgery.message import is_text
from hps_trt.surgery.model import Model

_MOST_BYTES = (1 << 31) - 1


def load(source: Path | onnx.ModelProto | Any, *, source_dir: Path | None = None) -> Model:
    """Loads a model for surgery; neither external data nor large tables in the file are read.

    Args:
        source: path of a binary ONNX file, a ModelProto (kept, not copied: leave it alone while the
            Model is in use) or an `onnx_graphsurgeon.Graph`.
        source_dir: folder of external data for a model from memory; a path brings its own.

    Raises:
        SurgeryError: no such file, not an ONNX model, or one whose graph does not hold together.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return _model(_read(path, source_dir), source_dir or path.parent, str(path))
    if isinstance(source, onnx.ModelProto):
        return _model(source, source_dir, "model")
    if type(source).__module__.partition(".")[0] == "onnx_graphsurgeon":
        import onnx_graphsurgeon as gs

        return _model(gs.export_onnx(source), source_dir, f"graph '{source.name}'")
    raise SurgeryError(
        f"cannot load a {type(source).__name__}; give a path, a ModelProto or an "
        "onnx_graphsurgeon Graph"
    )


def _model(proto: onnx.ModelProto, source_dir: Path | None, source: str) -> Model:
    if not is_text(proto):
        raise SurgeryError(f"{source}: corrupt: text in it is not UTF-8")
    return Model(proto, source_dir, source)


def _read(path: Path, source_dir: Path | None) -> onnx.ModelProto:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would be read without end
            raise SurgeryError(f"{path}: not a regular file; give the path of an ONNX file")
        stands_here = path.resolve().parent == (source_dir or path.parent).resolve()
        if status.st_size >= LEAST_BYTES and stands_here:
            data = read_without_tables(path)
        else:
            data = path.read_bytes()
    except OSError as error:
        raise SurgeryError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise _broken(path) from error
    if len(data) > _MOST_BYTES:
        raise SurgeryError(f"{path}: the graph alone is larger than 2 GB, more than ONNX allows")
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise _broken(path) from error
    return proto


def _broken(path: Path) -> SurgeryError:
    return SurgeryError(f"{path}: not an ONNX model, or one that is cut short or corrupt")
