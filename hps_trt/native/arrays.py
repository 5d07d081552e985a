"""What lookups take and give: numpy arrays, DLPack tensors, and how their memory is walked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from hps_trt.dlpack import Borrowed
from hps_trt.errors import UserError

Array = np.ndarray[Any, Any]

# ONNX's numbers, as hps_c.h has them.
TYPE_CODES = {"fp32": 1, "int8": 3, "int32": 6, "int64": 7, "fp16": 10, "bf16": 16}
TYPE_NAMES = {code: name for name, code in TYPE_CODES.items()}
OUT_DTYPES = ("fp32", "fp16", "bf16")

_NUMPY_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Tensor:
    """An array and what its elements are: "fp32", "fp16", "bf16", or numpy's name of the type."""

    array: Array
    dtype: str

    @property
    def address(self) -> int:
        """Of the first element."""
        return int(self.array.__array_interface__["data"][0])


@contextmanager
def viewed(value: Any, what: str) -> Iterator[Tensor]:
    """A view of a numpy array or of anything with ``__dlpack__``, for the length of the block."""
    if isinstance(value, np.ndarray):
        if not value.dtype.isnative:
            raise UserError(f"{what}: is of foreign byte order; convert it with astype")
        yield Tensor(value, _NUMPY_NAMES.get(value.dtype.name, value.dtype.name))
    elif hasattr(value, "__dlpack__"):
        with Borrowed(value, what) as borrowed:
            yield Tensor(borrowed.array, borrowed.dtype)
    else:
        raise UserError(
            f"{what}: is a {type(value).__name__}; "
            f"pass a numpy array or a tensor that speaks DLPack"
        )


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy type of "fp32", "fp16", "bf16" or "int8".

    "bf16" is ``ml_dtypes.bfloat16`` where that package is installed, and ``uint16`` (the raw bits)
    where it is not.

    Raises:
        UserError: for another name.
    """
    if name == "bf16":
        try:
            import ml_dtypes
        except ImportError:
            return np.dtype(np.uint16)
        bits: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bits
    plain = {"fp32": "float32", "fp16": "float16", "int8": "int8"}.get(name)
    if plain is None:
        raise UserError(f"type {name!r} is not known; choose one of {', '.join(OUT_DTYPES)}")
    return np.dtype(plain)


def uniform_stride(array: Array) -> int | None:
    """Bytes from each element to the next in row-major order; None when that is not one number."""
    steps = [
        (extent, step)
        for extent, step in zip(array.shape, array.strides, strict=True)
        if extent != 1
    ]
    if array.size <= 1 or not steps:
        return int(array.itemsize)
    for (_, outer), (extent, inner) in pairwise(steps):
        if outer != extent * inner:
            return None
    return int(steps[-1][1])


def flat_keys(keys: Tensor) -> tuple[Array, int]:
    """Keys as memory that can be walked with one stride, and that stride in elements.

    Contiguous keys, a strided vector, and one column of packed ids (``ids[..., k]``) are walked
    where they are. Only what cannot be walked with one stride (say ``ids[::2, ::2]``, or a
    broadcast) is copied, which costs 4 or 8 bytes per key.

    Raises:
        UserError: they are neither int32 nor int64.
    """
    if keys.dtype not in ("int32", "int64"):
        raise UserError(f"keys: are {keys.dtype}; int32 or int64 is needed, convert with astype")
    step = uniform_stride(keys.array)
    width = keys.array.itemsize
    if step is None or step == 0 or step % width != 0:
        return np.ascontiguousarray(keys.array), 1
    return keys.array, step // width


def row_stride(out: Tensor, shape: tuple[int, ...]) -> int:
    """Bytes from each row of `out` to the next.

    Raises:
        UserError: it is read-only, not of `shape`, or its rows do not lie one after the other.
    """
    array = out.array
    if array.shape != shape:
        raise UserError(f"out: has shape {array.shape}, and {shape} is needed")
    if array.size == 0:
        return int(array.itemsize * shape[-1])
    if not array.flags.writeable:
        raise UserError("out: is read-only; pass memory that may be written")
    if shape[-1] > 1 and array.strides[-1] != array.itemsize:
        raise UserError(
            f"out: the elements of a row are {array.strides[-1]} bytes apart; "
            f"its last axis must be contiguous"
        )
    row_bytes = shape[-1] * array.itemsize
    first_elements = array[..., 0]
    step = uniform_stride(first_elements)
    if first_elements.size <= 1:
        return row_bytes
    if step is None or step < row_bytes:
        raise UserError(
            f"out: rows of {row_bytes} bytes must lie one after the other at one distance, "
            f"not with strides {array.strides}"
        )
    return step
