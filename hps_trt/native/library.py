"""``libhps_plugin.so`` by ctypes: where it is, its C interface (``hps_c.h``), its errors.

ctypes releases the interpreter's lock during every call, so lookups of several threads run at once.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hps_trt.errors import HpsError, UserError

API_VERSION = 1
LIBRARY_VARIABLE = "HPS_TRT_LIBRARY"

PROGRESS = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint64
)


class OpenOptions(ctypes.Structure):
    """``hps_open_options``."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("progress", PROGRESS),
        ("progress_user", ctypes.c_void_p),
    )


class TableInfoStruct(ctypes.Structure):
    """``hps_table_info``."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("rows", ctypes.c_uint64),
        ("dim", ctypes.c_uint32),
        ("row_type", ctypes.c_int32),
        ("dense", ctypes.c_int32),
    )


class LookupArgs(ctypes.Structure):
    """``hps_lookup_args``."""

    _fields_ = (
        ("struct_size", ctypes.c_size_t),
        ("keys", ctypes.c_void_p),
        ("key_type", ctypes.c_int32),
        ("out_type", ctypes.c_int32),
        ("count", ctypes.c_uint64),
        ("key_stride", ctypes.c_int64),
        ("out", ctypes.c_void_p),
        ("out_stride", ctypes.c_uint64),
        ("index_mode", ctypes.c_int32),
        ("unresolved", ctypes.c_void_p),
        ("defaults", ctypes.c_uint64),
        ("dim", ctypes.c_uint32),
    )


_HANDLE = ctypes.c_uint64
_TEXT = ctypes.POINTER(ctypes.c_void_p)
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "hps_open": (ctypes.c_char_p, ctypes.POINTER(OpenOptions), ctypes.POINTER(_HANDLE)),
    "hps_close": (_HANDLE,),
    "hps_reload": (_HANDLE, ctypes.POINTER(OpenOptions)),
    "hps_get_table_info": (
        _HANDLE,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.POINTER(TableInfoStruct),
    ),
    "hps_lookup": (_HANDLE, ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(LookupArgs)),
    "hps_put": (
        _HANDLE,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_void_p,
        ctypes.c_uint64,
    ),
    "hps_erase": (
        _HANDLE,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
    ),
    "hps_statistics": (_HANDLE, _TEXT),
    "hps_config_check": (ctypes.c_char_p, _TEXT),
    "hps_node_check": (ctypes.c_int, ctypes.c_char_p, _TEXT),
}


class NativeError(HpsError):
    """A failure that the library reported.

    Attributes:
        code: an ``HPS_ERROR_*`` value of ``hps_c.h``.
    """

    code: int

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NativeUserError(NativeError, UserError):
    """One that a user can mend: a wrong file, name, table, option or key (codes 1 to 7)."""


_LAST_USER_CODE = 7

_loaded: dict[Path, ctypes.CDLL] = {}


def library_path() -> Path:
    """Where ``libhps_plugin.so`` is: ``HPS_TRT_LIBRARY``, or ``lib/`` of the package.

    Raises:
        UserError: there is no such file.
    """
    named = os.environ.get(LIBRARY_VARIABLE)
    path = Path(named) if named else Path(__file__).parent.parent / "lib" / "libhps_plugin.so"
    if not path.is_file():
        source = f"{LIBRARY_VARIABLE} says so" if named else f"or set {LIBRARY_VARIABLE}"
        raise UserError(f"{path}: the library is not there; install the package again ({source})")
    return path.absolute()


def load() -> ctypes.CDLL:
    """The library, loaded once per path, every function declared.

    Raises:
        UserError: it is not there, cannot be loaded, or belongs to another version of the package.
    """
    path = library_path()
    # No lock: a child forked while another thread held it could never load. Two threads that load
    # at once get the same library from the loader, and one of two equal objects is kept.
    found = _loaded.get(path)
    return found if found is not None else _loaded.setdefault(path, _open_library(path))


def _open_library(path: Path) -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(str(path))
        library.hps_api_version.argtypes = ()
        version = library.hps_api_version()
    except (OSError, AttributeError) as error:
        raise UserError(f"{path}: cannot be used as the library: {error}") from error
    if version != API_VERSION:
        raise UserError(
            f"{path}: has interface {version}, this package needs {API_VERSION}; "
            f"install both of one version"
        )
    for name, arguments in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = ctypes.c_int
    library.hps_free.argtypes = (ctypes.c_void_p,)
    library.hps_free.restype = None
    for name in ("hps_last_error", "hps_version"):
        getattr(library, name).argtypes = ()
        getattr(library, name).restype = ctypes.c_char_p
    return library


def last_error(library: ctypes.CDLL, code: int) -> NativeError:
    """The calling thread's last failure, as the exception to raise for `code`."""
    message = library.hps_last_error().decode("utf-8", "replace")
    kind = NativeUserError if 1 <= code <= _LAST_USER_CODE else NativeError
    return kind(code, message or f"the library failed with code {code}")


def check(library: ctypes.CDLL, code: int) -> None:
    """Raises the calling thread's last failure unless `code` is 0."""
    if code != 0:
        _fail(library, code)


def _fail(library: ctypes.CDLL, code: int) -> NoReturn:
    raise last_error(library, code)


def encoded(text: str | os.PathLike[str], what: str) -> bytes:
    """`text` as the library takes it.

    Raises:
        UserError: it has a NUL character, which would end it early.
    """
    data = os.fsencode(text)
    if b"\0" in data:
        raise UserError(f"{what} {text!r} has a NUL character in it")
    return data


def json_of(library: ctypes.CDLL, function: str, *arguments: Any) -> Any:
    """Calls a function whose last argument receives JSON text, and parses that text."""
    text = ctypes.c_void_p()
    check(library, getattr(library, function)(*arguments, ctypes.byref(text)))
    try:
        return json.loads(ctypes.string_at(text.value or 0))
    finally:
        library.hps_free(text)


def version() -> str:
    """The version of the loaded library, as ``0.1.0``."""
    return str(load().hps_version().decode())


def config_check(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Parses and checks an ``hps.json`` or an HPS ``ps.json``; opens no table.

    Returns:
        The whole configuration with every default filled in, and its notices.

    Raises:
        NativeUserError: the file is missing or does not say something valid.
    """
    found = json_of(load(), "hps_config_check", encoded(path, "file name"))
    return dict(found)


def node_check(
    version: int, attributes: Mapping[str, str | int | Sequence[int]]
) -> dict[str, str | list[int]]:
    """Checks the attributes of an ``HPS_TRT`` node (`version` 1 or 2) and normalises them.

    Raises:
        NativeUserError: an attribute is missing, unknown or contradicts another.
    """
    text = json.dumps(dict(attributes)).encode()
    return dict(json_of(load(), "hps_node_check", version, text))
