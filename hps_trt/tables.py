"""Writes table folders: rows streamed from a model, dense keys, checksums, nothing held in memory.

A folder holds `emb_vector` (the rows) and `key` (int64 0..rows-1); plugin_src/BUNDLE.md has the
format. A block is hashed while a second thread writes it (both release the interpreter's lock) and
the kernel is asked to start writing back at once, so that the last fsync has little left to do.
"""

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import xxhash

from hps_trt.config import TableFile
from hps_trt.errors import HpsError

BLOCK_BYTES = 8 << 20
ROWS_FILE = "emb_vector"
KEYS_FILE = "key"

_SYNC_FILE_RANGE_WRITE = 2


class Rows(Protocol):
    """A table to be written (`hps_trt.surgery.TableSource` is one)."""

    @property
    def name(self) -> str:
        """The table's name."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[memoryview]:
        """The rows' bytes in order; a view may be invalid once the next one is asked for."""


@dataclass(frozen=True)
class WrittenTable:
    """What `write_table` wrote."""

    emb_vector: TableFile
    key: TableFile


def table_bytes(source: Rows) -> int:
    """Bytes that `write_table` writes for `source`."""
    return source.nbytes + 8 * source.rows


def write_table(
    source: Rows, folder: Path, advanced: Callable[[int], None] = lambda count: None
) -> WrittenTable:
    """Writes one table into the new folder `folder`, and fsyncs what it wrote.

    Args:
        source: the rows.
        folder: must not exist; its parent must.
        advanced: called with the number of bytes written since its last call.

    Returns:
        Sizes and checksums of the files.

    Raises:
        OSError: the folder exists, or a file cannot be written.
        HpsError: the source gave other than `source.nbytes` bytes.
    """
    folder.mkdir(mode=0o755)
    rows = write_file(folder / ROWS_FILE, source.blocks(BLOCK_BYTES), advanced)
    if rows.bytes != source.nbytes:
        raise HpsError(
            f"table '{source.name}': {rows.bytes} bytes of rows read where the model says "
            f"{source.nbytes}; the model's file is damaged or was changed meanwhile"
        )
    keys = write_file(folder / KEYS_FILE, dense_keys(source.rows), advanced)
    sync_folder(folder)
    return WrittenTable(emb_vector=rows, key=keys)


def dense_keys(rows: int, block_bytes: int = BLOCK_BYTES) -> Iterator[memoryview]:
    """The bytes of int64 keys 0..rows-1, in blocks that share one buffer."""
    per_block = max(1, block_bytes // 8)
    keys = np.arange(min(rows, per_block), dtype=np.int64)
    for first in range(0, rows, per_block):
        count = min(per_block, rows - first)
        yield keys[:count].data.cast("B")
        keys += per_block


def write_file(
    path: Path, blocks: Iterable[memoryview], advanced: Callable[[int], None]
) -> TableFile:
    """Writes `blocks` into the new file `path` while hashing them, and fsyncs it."""
    checksum = xxhash.xxh3_128()
    written = 0
    with _created(path) as descriptor, ThreadPoolExecutor(1) as pool:
        for block in blocks:
            writing = pool.submit(_write_all, descriptor, block, written)
            try:
                checksum.update(block)
            finally:
                with _named(path):
                    writing.result()
            written += len(block)
            advanced(len(block))
        with _named(path):
            os.fsync(descriptor)
    return TableFile(bytes=written, xxh128=checksum.hexdigest())


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` last: without it a crash may forget the files themselves."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _created(path: Path) -> Iterator[int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Lets errors of system calls on a descriptor name the file."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _write_all(descriptor: int, block: memoryview, offset: int) -> None:
    done = 0
    while done < len(block):
        done += os.write(descriptor, block[done:])
    _start_writeback(descriptor, offset, len(block))


def _start_writeback(descriptor: int, offset: int, size: int) -> None:
    """Starts writing back a range without waiting; a hint, so its failure is of no concern."""
    call = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if call is not None:
        call(
            ctypes.c_int(descriptor),
            ctypes.c_int64(offset),
            ctypes.c_int64(size),
            ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
        )
