"""Lookups without a graph: an opened configuration as a Python object."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from hps_trt.errors import UserError
from hps_trt.native import arrays, library
from hps_trt.native.arrays import Array, Tensor

# Called with the table's name, the bytes done and the bytes in all; False cancels.
ProgressCallback = Callable[[str, int, int], "bool | None"]

INDEX_MODES = {"key": 0, "onnx": 1}


@dataclass(frozen=True)
class TableInfo:
    """What a table is: `rows` of its files, `dim`, row type `dtype`, whether keys are 0..rows-1."""

    rows: int
    dim: int
    dtype: str
    dense: bool

    @property
    def row_bytes(self) -> int:
        """Bytes of a stored row; an int8 row ends in its fp32 scale."""
        if self.dtype == "int8":
            return self.dim + 4
        return self.dim * arrays.numpy_dtype(self.dtype).itemsize


class _Progress:
    """A Python callback in C's clothes; what it raises is kept and raised after the call."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._raised: BaseException | None = None
        self.options = library.OpenOptions(struct_size=ctypes.sizeof(library.OpenOptions))
        if callback is not None:
            self.options.progress = library.PROGRESS(self._call)

    def _call(self, _user: int | None, table: bytes, done: int, total: int) -> int:
        assert self._callback is not None
        try:
            go_on = self._callback(table.decode("utf-8", "replace"), done, total)
        except BaseException as error:  # noqa: BLE001  C cannot carry it: finish() raises it
            self._raised = error
            return 1
        return 1 if go_on is False else 0

    def finish(self, native: ctypes.CDLL, code: int) -> None:
        if self._raised is not None and code != 0:
            error = library.last_error(native, code)
            raise self._raised from error
        library.check(native, code)


class Service:
    """An opened ``hps.json`` or ``ps.json``; a context manager. All methods may run concurrently.

    After ``os.fork`` a child opens its own: calls on its parent's raise "opened before fork", and
    closing it there does nothing.
    """

    def __init__(self, native: ctypes.CDLL, handle: int) -> None:
        """For `open`."""
        self._native = native
        self._handle = handle
        self._process = os.getpid()
        self._local = threading.local()
        self._closing = threading.Lock()

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], progress: ProgressCallback | None = None
    ) -> Service:
        """Opens a configuration; one that is open already shares its tables.

        Args:
            path: of the ``hps.json`` or ``ps.json``.
            progress: called while tables are read; returning False cancels, and what it raises
                cancels and is raised here.

        Raises:
            NativeError: with the file, what is wrong in it, and how to mend it.
        """
        native = library.load()
        handle = ctypes.c_uint64()
        reporting = _Progress(progress)
        code = native.hps_open(
            library.encoded(path, "file name"),
            ctypes.byref(reporting.options),
            ctypes.byref(handle),
        )
        reporting.finish(native, code)
        return cls(native, handle.value)

    @property
    def defaults(self) -> int:
        """How many keys of the calling thread's last lookup got the default vector."""
        return int(getattr(self._local, "defaults", 0))

    def lookup(
        self,
        model: str,
        table: str,
        keys: Any,
        *,
        out: Any = None,
        out_dtype: str | None = None,
        index_mode: str = "key",
        unresolved: Array | None = None,
    ) -> Any:
        """Rows of `keys`: shape ``keys.shape + (dim,)``.

        A key that no tier holds gives the table's default vector, unless the configuration makes
        it an error. Numpy arrays and DLPack tensors in host memory are used where they are; see
        `hps_trt.native.arrays.flat_keys` for the keys that are copied first.

        Args:
            model: name of a model of the configuration.
            table: name of one of its tables.
            keys: int32 or int64 of any rank: numpy, DLPack, or a (nested) list of integers.
            out: where to write; its last axis contiguous, its rows at one distance. bf16 may be
                ``ml_dtypes.bfloat16`` or, with ``out_dtype="bf16"``, ``uint16``.
            out_dtype: "fp32" (default), "fp16" or "bf16"; that of `out` where it is given.
            index_mode: "key", or "onnx" (-rows..-1 count from the end, as ONNX's Gather).
            unresolved: bool or uint8 array of ``keys.shape``, contiguous; set to 1 where no tier
                held the key and to 0 elsewhere.

        Returns:
            `out`, or a new numpy array (bf16 as `hps_trt.native.arrays.numpy_dtype` says).

        Raises:
            UserError: a shape, type or layout does not fit.
            NativeError: an unknown name, or an unknown key where that is an error.
        """
        if index_mode not in INDEX_MODES:
            raise UserError(f"index_mode is {index_mode!r}; choose 'key' or 'onnx'")
        info = self.table_info(model, table)
        with arrays.viewed(_as_tensor(keys), "keys") as ids:
            shape = (*ids.array.shape, info.dim)
            if out is None:
                dtype = out_dtype or "fp32"
                _out_type_code(dtype)
                result: Any = np.empty(shape, arrays.numpy_dtype(dtype))
                self._lookup(model, table, ids, Tensor(result, dtype), index_mode, unresolved)
                return result
            with arrays.viewed(out, "out") as rows:
                given = Tensor(rows.array, _type_of_out(rows, out_dtype))
                arrays.row_stride(given, shape)
                self._lookup(model, table, ids, given, index_mode, unresolved)
            return out

    def _lookup(
        self,
        model: str,
        table: str,
        keys: Tensor,
        out: Tensor,
        index_mode: str,
        unresolved: Array | None,
    ) -> None:
        flat, stride = arrays.flat_keys(keys)
        args = library.LookupArgs(
            struct_size=ctypes.sizeof(library.LookupArgs),
            keys=Tensor(flat, keys.dtype).address,
            key_type=arrays.TYPE_CODES[keys.dtype],
            out_type=_out_type_code(out.dtype),
            count=flat.size,
            key_stride=stride,
            out=out.address,
            out_stride=arrays.row_stride(out, out.array.shape),
            index_mode=INDEX_MODES[index_mode],
            unresolved=_address_of_flags(unresolved, flat.shape),
            dim=out.array.shape[-1],
        )
        code = self._native.hps_lookup(self._handle, *_names(model, table), ctypes.byref(args))
        library.check(self._native, code)
        self._local.defaults = args.defaults

    def table_info(self, model: str, table: str) -> TableInfo:
        """What a table is.

        Raises:
            NativeError: the configuration has no such model or table.
        """
        found = library.TableInfoStruct(struct_size=ctypes.sizeof(library.TableInfoStruct))
        code = self._native.hps_get_table_info(
            self._handle, *_names(model, table), ctypes.byref(found)
        )
        library.check(self._native, code)
        return TableInfo(
            rows=found.rows,
            dim=found.dim,
            dtype=arrays.TYPE_NAMES[found.row_type],
            dense=bool(found.dense),
        )

    def statistics(self) -> dict[str, Any]:
        """Sizes and counters of every table: see ``hps_statistics`` in ``hps_c.h``."""
        return dict(library.json_of(self._native, "hps_statistics", self._handle))

    def put(
        self, model: str, table: str, keys: Any, rows: Array, *, scales: Array | None = None
    ) -> None:
        """Inserts or replaces rows in memory; table files are never written.

        Args:
            model: name of a model.
            table: name of one of its tables.
            keys: one-dimensional.
            rows: ``[len(keys), dim]`` in the table's own type.
            scales: int8 tables: one fp32 scale per row.

        Raises:
            UserError: a shape or type does not fit.
            NativeError: from the library.
        """
        info = self.table_info(model, table)
        ids = _key_vector(keys)
        packed = _packed_rows(info, len(ids), rows, scales)
        code = self._native.hps_put(
            self._handle,
            *_names(model, table),
            ids.ctypes.data,
            len(ids),
            packed.ctypes.data,
            info.row_bytes,
        )
        library.check(self._native, code)

    def erase(self, model: str, table: str, keys: Any) -> None:
        """Forgets keys: lookups give the default vector for them. Unknown keys are ignored."""
        ids = _key_vector(keys)
        code = self._native.hps_erase(
            self._handle, *_names(model, table), ids.ctypes.data, len(ids)
        )
        library.check(self._native, code)

    def reload(self, progress: ProgressCallback | None = None) -> None:
        """Reads the file again and swaps the tables under running lookups; puts are dropped.

        Raises:
            NativeError: it cannot be loaded, or is another bundle now. What was open stays open.
        """
        reporting = _Progress(progress)
        code = self._native.hps_reload(self._handle, ctypes.byref(reporting.options))
        reporting.finish(self._native, code)

    def close(self) -> None:
        """Lets go of the tables; lookups under way finish. Closing again does nothing."""
        if self._process != os.getpid():
            return  # before the lock: the parent may have held it when it forked
        with self._closing:
            handle, self._handle = self._handle, 0
        if handle != 0:
            library.check(self._native, self._native.hps_close(handle))

    def __enter__(self) -> Service:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _names(model: str, table: str) -> tuple[bytes, bytes]:
    return library.encoded(model, "model"), library.encoded(table, "table")


def _as_tensor(keys: Any) -> Any:
    if isinstance(keys, np.ndarray) or hasattr(keys, "__dlpack__"):
        return keys
    try:
        found = np.asarray(keys)
    except (ValueError, OverflowError) as error:
        raise UserError(f"keys: are no array of integers: {error}") from error
    return found.astype(np.int64) if found.size == 0 else found


def _out_type_code(dtype: str) -> int:
    if dtype not in arrays.OUT_DTYPES:
        raise UserError(f"out_dtype is {dtype!r}; choose one of {', '.join(arrays.OUT_DTYPES)}")
    return arrays.TYPE_CODES[dtype]


def _type_of_out(out: Tensor, asked: str | None) -> str:
    if out.dtype == "uint16" and asked == "bf16":
        return "bf16"
    if out.dtype not in arrays.OUT_DTYPES:
        raise UserError(
            f"out: is {out.dtype}; it must be fp32, fp16 or bf16 (uint16 with out_dtype='bf16')"
        )
    if asked not in (None, out.dtype):
        raise UserError(f"out: is {out.dtype}, and out_dtype says {asked}; leave out_dtype away")
    return out.dtype


def _address_of_flags(unresolved: Array | None, shape: tuple[int, ...]) -> int | None:
    if unresolved is None:
        return None
    fits = (
        isinstance(unresolved, np.ndarray)
        and unresolved.dtype in (np.dtype(np.uint8), np.dtype(np.bool_))
        and unresolved.shape == shape
        and unresolved.flags.c_contiguous
        and unresolved.flags.writeable
    )
    if not fits:
        raise UserError(
            f"unresolved: must be a contiguous, writable uint8 or bool array of shape {shape}"
        )
    return unresolved.ctypes.data


def _key_vector(keys: Any) -> Array:
    with arrays.viewed(_as_tensor(keys), "keys") as ids:
        if ids.array.ndim != 1 or ids.dtype not in ("int32", "int64"):
            raise UserError(
                f"keys: are {ids.dtype} of shape {ids.array.shape}; "
                f"a vector of int32 or int64 is needed"
            )
        return np.array(ids.array, dtype=np.int64)


def _packed_rows(info: TableInfo, count: int, rows: Array, scales: Array | None) -> Array:
    with arrays.viewed(rows, "rows") as given:
        fits = given.dtype == info.dtype or (given.dtype, info.dtype) == ("uint16", "bf16")
        if not fits or given.array.shape != (count, info.dim):
            raise UserError(
                f"rows: are {given.dtype} of shape {given.array.shape}; "
                f"{info.dtype} of shape {(count, info.dim)} is needed"
            )
        packed = np.array(given.array, order="C").view(np.uint8).reshape(count, -1)
    if info.dtype != "int8":
        if scales is not None:
            raise UserError(f"scales: belong to int8 tables only, and this one is {info.dtype}")
        return packed
    if scales is None or scales.shape != (count,) or scales.dtype != np.float32:
        raise UserError(f"scales: an int8 table needs {count} of fp32, one per row")
    tail = np.ascontiguousarray(scales).view(np.uint8).reshape(count, 4)
    return np.ascontiguousarray(np.concatenate([packed, tail], axis=1))
