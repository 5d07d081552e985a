"""Table folders: bytes, checksums, keys, and what a failure leaves."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from hps_trt import tables
from hps_trt.errors import HpsError


@dataclass(frozen=True)
class Source:
    """Rows from memory, given in blocks that share one buffer, as a streaming source gives them."""

    data: bytes
    rows: int
    name: str = "users"
    nbytes: int = -1

    def blocks(self, block_bytes: int = tables.BLOCK_BYTES) -> Iterator[memoryview]:
        buffer = bytearray(min(block_bytes, 64))
        for first in range(0, len(self.data), len(buffer)):
            part = self.data[first : first + len(buffer)]
            buffer[: len(part)] = part
            yield memoryview(buffer)[: len(part)]


def source(data: bytes, rows: int) -> Source:
    return Source(data, rows, nbytes=len(data))


def test_rows_and_keys_are_written_and_hashed(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 256, 25 * 40, np.uint8).tobytes()
    counts: list[int] = []
    written = tables.write_table(source(data, 25), tmp_path / "users", counts.append)
    keys = np.arange(25, dtype=np.int64).tobytes()
    assert (tmp_path / "users/emb_vector").read_bytes() == data
    assert (tmp_path / "users/key").read_bytes() == keys
    assert sorted(p.name for p in (tmp_path / "users").iterdir()) == ["emb_vector", "key"]
    assert written.emb_vector.bytes == len(data)
    assert written.emb_vector.xxh128 == xxhash.xxh3_128(data).digest().hex()
    assert written.key.bytes == 200
    assert written.key.xxh128 == xxhash.xxh3_128(keys).digest().hex()
    assert sum(counts) == len(data) + len(keys) == tables.table_bytes(source(data, 25))


@given(rows=st.integers(0, 300), block=st.integers(1, 700))
def test_dense_keys_count_from_zero_in_any_blocks(rows: int, block: int) -> None:
    joined = b"".join(bytes(part) for part in tables.dense_keys(rows, block))
    assert np.array_equal(np.frombuffer(joined, np.int64), np.arange(rows))


def test_nan_bytes_are_kept(tmp_path: Path) -> None:
    patterns = np.array([0x7FC00001, 0xFF800001, 0x7F800000, 0x80000000], np.uint32).tobytes()
    tables.write_table(source(patterns, 4), tmp_path / "t")
    assert (tmp_path / "t/emb_vector").read_bytes() == patterns


def test_a_source_that_ends_early_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HpsError, match="'users': 96 bytes of rows read where the model says 100"):
        tables.write_table(Source(bytes(96), 25, nbytes=100), tmp_path / "t")


def test_an_existing_folder_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    with pytest.raises(FileExistsError):
        tables.write_table(source(b"1234", 1), tmp_path / "t")
    assert list((tmp_path / "t").iterdir()) == []


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "emb_vector").symlink_to(victim)
    with pytest.raises(FileExistsError):
        tables.write_file(tmp_path / "emb_vector", iter([memoryview(b"x")]), lambda count: None)
    assert victim.read_bytes() == b"precious"


def test_an_error_of_writing_names_the_file(tmp_path: Path) -> None:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, old[1]))
    try:
        with pytest.raises(OSError) as caught:
            tables.write_table(source(bytes(4000), 10), tmp_path / "t")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(tmp_path / "t/emb_vector")


def test_an_error_of_reading_is_not_blamed_on_the_file_written(tmp_path: Path) -> None:
    def broken() -> Iterator[memoryview]:
        yield memoryview(b"12")
        raise OSError(errno.EIO, os.strerror(errno.EIO), "model.data")

    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError) as caught:
        tables.write_file(tmp_path / "emb_vector", broken(), lambda count: None)
    assert caught.value.filename == "model.data"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
