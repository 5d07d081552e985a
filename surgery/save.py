"""Writes a model; tensors that stay external are copied from file to file in blocks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import EncodeError

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.external import Extent, is_external, locate
from hps_trt.surgery.model import subgraphs
from hps_trt.surgery.tables import file_blocks

#: Tensors in the data file start at multiples of this, so that a runtime can map them.
ALIGNMENT = 4096
#: External tensors up to this size go into the model file.
INLINE_BYTES = 1024


def save(proto: onnx.ModelProto, path: Path, *, source_dir: Path | None) -> None:
    """Writes `proto` to `path`, and the external tensors it keeps to `<path>.data`.

    Both are written under other names in the same folder, synced, and renamed; without external
    tensors there is no data file. `proto` itself does not change.

    Args:
        proto: a model as `apply` or `split` return it.
        path: file to write; one that exists is replaced.
        source_dir: folder that the external tensors of `proto` are relative to.

    Raises:
        SurgeryError: external data is missing or wrong, or the files cannot be written.
    """
    external = [tensor for tensor in tensors(proto) if is_external(tensor)]
    extents = [locate(tensor, source_dir) for tensor in external]
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    targets = [tensor for tensor in tensors(copy) if is_external(tensor)]
    data_path = path.with_name(path.name + ".data")
    layout = _layout(extents)
    try:
        for tensor, extent, offset in zip(targets, extents, layout, strict=True):
            _point(tensor, extent, offset, data_path.name)
        try:
            text = copy.SerializeToString()
        except (EncodeError, ValueError) as error:
            raise SurgeryError(f"{path}: the graph itself is larger than 2 GB") from error
        with _Aside() as aside:
            if any(offset is not None for offset in layout):
                aside.write(data_path, lambda file: _write_data(file, extents, layout))
            aside.write(path, lambda file: _write_all(file, text))
            aside.commit()
    except OSError as error:
        raise SurgeryError(f"{path}: cannot be written: {error.strerror or error}") from error


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: initializers and attributes, in all graphs and functions."""
    yield from _graph_tensors(proto.graph)
    for function in proto.functions:
        for node in function.node:
            yield from _node_tensors(node)


def _graph_tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            yield attribute.t
        yield from attribute.tensors
    for _, graph in subgraphs(node):
        yield from _graph_tensors(graph)


def _layout(extents: list[Extent]) -> list[int | None]:
    """Where each tensor goes in the data file; None: into the model. One extent is written once."""
    layout: list[int | None] = []
    known: dict[Extent, int] = {}
    end = 0
    for extent in extents:
        if extent.length <= INLINE_BYTES:
            layout.append(None)
            continue
        if extent not in known:
            known[extent] = -(-end // ALIGNMENT) * ALIGNMENT
            end = known[extent] + extent.length
        layout.append(known[extent])
    return layout


def _point(tensor: onnx.TensorProto, extent: Extent, offset: int | None, location: str) -> None:
    del tensor.external_data[:]
    if offset is None:
        tensor.data_location = onnx.TensorProto.DEFAULT
        tensor.raw_data = b"".join(bytes(block) for block in file_blocks(extent))
        return
    for key, value in (("location", location), ("offset", offset), ("length", extent.length)):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


def _write_data(file: BinaryIO, extents: list[Extent], layout: list[int | None]) -> None:
    for extent, offset in zip(extents, layout, strict=True):
        if offset is None or offset < file.tell():
            continue  # inside the model, or written already for another tensor
        file.write(b"\0" * (offset - file.tell()))
        for block in file_blocks(extent):
            _write_all(file, block)


def _write_all(file: BinaryIO, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class _Aside:
    """Files written beside their final names; on leaving, what was not committed is removed."""

    def __init__(self) -> None:
        self._files: list[tuple[Path, Path]] = []

    def __enter__(self) -> _Aside:
        return self

    def __exit__(self, *exception: object) -> None:
        for temporary, _ in self._files:
            temporary.unlink(missing_ok=True)

    def write(self, path: Path, writer: Callable[[BinaryIO], None]) -> None:
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(temporary, flags, 0o666)
        self._files.append((temporary, path))
        with os.fdopen(handle, "wb") as file:
            writer(file)
            file.flush()
            os.fsync(file.fileno())

    def commit(self) -> None:
        for temporary, path in self._files:
            temporary.replace(path)
        for folder in {path.parent for _, path in self._files}:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        self._files.clear()
