"""The rows of a planned table, streamed from wherever the model keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.external import Extent, is_external, locate
from hps_trt.surgery.wire import packed_floats

BLOCK_BYTES = 8 << 20
_ITEM_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True)
class TableSource:
    """One table of a model.

    Attributes:
        name: planned name.
        initializer: the tensor it comes from.
        rows: number of rows.
        dim: elements of a row.
        dtype: "fp32", "fp16" or "bf16".
    """

    name: str
    initializer: str
    rows: int
    dim: int
    dtype: str
    _tensor: onnx.TensorProto = field(repr=False, compare=False)
    _source_dir: Path | None = field(repr=False, compare=False)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.dim * _ITEM_BYTES[self.dtype]

    def check(self) -> None:
        """Makes sure that the rows are there, without reading them.

        Raises:
            SurgeryError: the external file is missing, too short or not allowed, or the tensor's
                data does not fit its extents.
        """
        if is_external(self._tensor):
            locate(self._tensor, self._source_dir)
            return
        tensor = self._tensor
        items = self.rows * self.dim
        if tensor.HasField("raw_data"):
            have, want = len(tensor.raw_data), self.nbytes
        elif self.dtype == "fp32":
            have, want = len(tensor.float_data), items
        else:
            have, want = len(tensor.int32_data), items
        if have != want:
            raise SurgeryError(
                f"table '{self.name}': initializer '{self.initializer}' holds {have} "
                f"{'bytes' if tensor.HasField('raw_data') else 'elements'}, its extents "
                f"{list(tensor.dims)} want {want}"
            )

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[memoryview]:
        """All rows in order, as little-endian bytes in pieces.

        Args:
            block_bytes: most bytes of a piece; pieces need not end with a row.

        Yields:
            A view that is valid until the next one is asked for (the buffer is used again).

        Raises:
            SurgeryError: as `check`, or the file became shorter while it was read.
        """
        if block_bytes < 1:
            raise SurgeryError(f"block_bytes is {block_bytes}, must be positive")
        self.check()
        tensor = self._tensor
        if is_external(tensor):
            yield from file_blocks(locate(tensor, self._source_dir), block_bytes)
            return
        if tensor.HasField("raw_data"):
            data = memoryview(tensor.raw_data)
        elif self.dtype == "fp32":
            data = memoryview(packed_floats(tensor))
        else:
            numbers = np.array(tensor.int32_data, dtype=np.int64)
            if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < 1 << 16:
                raise SurgeryError(
                    f"table '{self.name}': int32_data of '{self.initializer}' holds numbers of "
                    "more than "
                    "16 bits"
                )
            data = memoryview(numbers.astype("<u2").tobytes())
        if len(data) != self.nbytes:
            raise SurgeryError(
                f"table '{self.name}': initializer '{self.initializer}' holds {len(data)} "
                "bytes, its "
                f"extents want {self.nbytes}"
            )
        for start in range(0, len(data), block_bytes):
            yield data[start : start + block_bytes]


def file_blocks(extent: Extent, block_bytes: int = BLOCK_BYTES) -> Iterator[memoryview]:
    """The bytes of a part of a file in pieces of one reused buffer.

    Raises:
        SurgeryError: the file cannot be read, or ends early.
    """
    buffer = memoryview(bytearray(max(1, min(block_bytes, extent.length))))
    try:
        with extent.path.open("rb", buffering=0) as file:
            file.seek(extent.offset)
            left = extent.length
            while left:
                got = file.readinto(buffer[: min(left, len(buffer))])
                if not got:
                    raise SurgeryError(f"{extent.path}: ended {left} bytes early while it was read")
                left -= got
                yield buffer[:got]
    except OSError as error:
        raise SurgeryError(f"{extent.path}: cannot be read: {error.strerror or error}") from error
