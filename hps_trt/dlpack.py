"""Tensors of other frameworks as numpy views, by DLPack, without a copy.

numpy's own ``from_dlpack`` knows no bfloat16; this one does, and says what may be written to.
Facts about the structures: the DLPack specification, versions 0.x (``dltensor``) and 1.x
(``dltensor_versioned``).
"""

from __future__ import annotations

import ctypes
from types import TracebackType
from typing import Any

import numpy as np

from hps_trt.errors import UserError

MAX_VERSION = (1, 1)
_DEVICE_CPU = 1
_FLAG_READ_ONLY = 1
_MAX_RANK = 64  # numpy's
# The interpreter keeps the pointer to a capsule's name, so these must live as long as it.
_NAME = b"dltensor"
_NAME_VERSIONED = b"dltensor_versioned"
_USED = b"used_dltensor"
_USED_VERSIONED = b"used_dltensor_versioned"

# DLPack's (code, bits) -> our name and numpy's kind; bf16 travels as the 16 bits it is.
_TYPES: dict[tuple[int, int], tuple[str, str]] = {
    (0, 8): ("int8", "<i1"),
    (0, 32): ("int32", "<i4"),
    (0, 64): ("int64", "<i8"),
    (1, 8): ("uint8", "<u1"),
    (2, 16): ("fp16", "<f2"),
    (2, 32): ("fp32", "<f4"),
    (4, 16): ("bf16", "<u2"),
}


class DLDevice(ctypes.Structure):
    """Where a tensor is."""

    _fields_ = (("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32))


class DLDataType(ctypes.Structure):
    """What its elements are."""

    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class DLTensor(ctypes.Structure):
    """A tensor; shape and strides count elements, `byte_offset` counts bytes."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", DLDevice),
        ("ndim", ctypes.c_int32),
        ("dtype", DLDataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


# Called with the interpreter locked: consumers in Python always were, so producers may count on it.
DELETER = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


class DLManagedTensor(ctypes.Structure):
    """What an unversioned capsule holds."""

    _fields_ = (
        ("dl_tensor", DLTensor),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", DELETER),
    )


class DLManagedTensorVersioned(ctypes.Structure):
    """What a versioned capsule holds; the first four fields are the same in every version."""

    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", DELETER),
        ("flags", ctypes.c_uint64),
        ("dl_tensor", DLTensor),
    )


def _capsule_function(name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_is_valid = _capsule_function("PyCapsule_IsValid", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_get_pointer = _capsule_function(
    "PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p
)
_set_name = _capsule_function("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)


class _Memory:
    """Memory of a tensor as numpy's ``__array_interface__`` describes it; owns nothing."""

    def __init__(self, interface: dict[str, Any]) -> None:
        self.__array_interface__ = interface


class Borrowed:
    """A tensor on loan, from construction to `close` (or the end of a ``with`` block).

    Attributes:
        array: a numpy view; bf16 as uint16, read-only where the producer says so. It must not be
            used after `close`.
        dtype: "fp32", "fp16", "bf16", "int8", "uint8", "int32" or "int64".
    """

    array: np.ndarray[Any, Any]
    dtype: str

    def __init__(self, producer: Any, what: str) -> None:
        """Borrows from an object with ``__dlpack__``; `what` names it in messages.

        Raises:
            UserError: it is not in host memory, or of a type or layout that cannot be viewed.
        """
        self._managed: DLManagedTensor | DLManagedTensorVersioned | None = None
        capsule = _ask(producer, what)
        self._take(capsule, what)
        try:
            self.array, self.dtype = self._view(what)
        except BaseException:
            self.close()
            raise

    def _take(self, capsule: Any, what: str) -> None:
        """Becomes the owner: from here on the capsule's own destructor does nothing."""
        if _is_valid(capsule, _NAME_VERSIONED):
            kind: Any = DLManagedTensorVersioned
            name, used = _NAME_VERSIONED, _USED_VERSIONED
        elif _is_valid(capsule, _NAME):
            kind, name, used = DLManagedTensor, _NAME, _USED
        else:
            raise UserError(f"{what}: __dlpack__ gave no capsule that is still unused")
        address = _get_pointer(capsule, name)
        _set_name(capsule, used)
        self._managed = kind.from_address(address)

    def _view(self, what: str) -> tuple[np.ndarray[Any, Any], str]:
        read_only = False
        managed = self._managed
        assert managed is not None
        if isinstance(managed, DLManagedTensorVersioned):
            if managed.major != MAX_VERSION[0]:
                raise UserError(
                    f"{what}: DLPack version {managed.major}.{managed.minor} is not understood; "
                    f"ask its producer for {MAX_VERSION[0]}.x"
                )
            read_only = bool(managed.flags & _FLAG_READ_ONLY)
        return _array_of(managed.dl_tensor, read_only, what)

    def close(self) -> None:
        """Gives the tensor back. Calling it again does nothing."""
        managed, self._managed = self._managed, None
        if managed is not None and managed.deleter:
            managed.deleter(ctypes.addressof(managed))

    def __enter__(self) -> Borrowed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _ask(producer: Any, what: str) -> Any:
    try:
        device = getattr(producer, "__dlpack_device__", None)
        kind = _DEVICE_CPU if device is None else int(device()[0])
        _check_device(kind, what)
        try:
            return producer.__dlpack__(max_version=MAX_VERSION)
        except TypeError:  # of before version 1.0: knows no such argument
            return producer.__dlpack__()
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{what}: its producer refuses to lend it: {error}") from error


def _check_device(kind: int, what: str) -> None:
    if kind != _DEVICE_CPU:
        raise UserError(
            f"{what}: is on device type {kind}, and host memory (1) is needed; copy it to the CPU"
        )


def _array_of(tensor: DLTensor, read_only: bool, what: str) -> tuple[np.ndarray[Any, Any], str]:
    _check_device(tensor.device.device_type, what)
    found = _TYPES.get((tensor.dtype.code, tensor.dtype.bits))
    if found is None or tensor.dtype.lanes != 1:
        raise UserError(
            f"{what}: elements of DLPack type (code {tensor.dtype.code}, {tensor.dtype.bits} bits, "
            f"{tensor.dtype.lanes} lanes) are not supported; see hps_trt.dlpack"
        )
    if not 0 <= tensor.ndim <= _MAX_RANK:
        raise UserError(f"{what}: has rank {tensor.ndim}; 0 to {_MAX_RANK} are possible")
    name, kind = found
    width = np.dtype(kind).itemsize
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    if any(extent < 0 for extent in shape):
        raise UserError(f"{what}: has a negative extent in its shape {shape}")
    if 0 in shape:
        return np.zeros(shape, kind), name
    strides = None
    if tensor.strides:  # null: contiguous, row-major
        strides = tuple(tensor.strides[axis] * width for axis in range(tensor.ndim))
    address = (tensor.data or 0) + tensor.byte_offset
    if not tensor.data:
        raise UserError(f"{what}: has shape {shape} and no memory")
    interface = {
        "version": 3,
        "typestr": kind,
        "shape": shape,
        "strides": strides,
        "data": (address, read_only),
    }
    return np.asarray(_Memory(interface)), name
