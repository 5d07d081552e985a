"""The dataclasses that write hps.json.

Reading and checking a configuration is the library's work (`hps_trt.native.config_check`); the
dataclasses here only refuse what could never be read back. The format is described in
plugin_src/BUNDLE.md and plugin_src/CONFIG.md.
"""

import contextlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from hps_trt.errors import UserError

FORMAT = "hps-trt/1"
CONFIG_NAME = "hps.json"

RowType = Literal["fp32", "fp16", "bf16", "int8"]
KeyKind = Literal["dense", "hashed", "scan"]
Memory = Literal["mapped", "copied", "huge"]
UnknownKey = Literal["default", "error"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,120}")
_DIGEST = re.compile(r"[0-9a-f]{32}")
_ELEMENT_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}
_KEY_KINDS = ("dense", "hashed", "scan")
_MEMORIES = ("mapped", "copied", "huge")
_UNKNOWN_KEYS = ("default", "error")
_MAX_ROWS = 1 << 40
_MAX_DIM = 1 << 20
_MAX_THREADS = 1024


@dataclass(frozen=True)
class TableFile:
    """One file of a table folder, as the manifest describes it.

    Attributes:
        bytes: Size of the file.
        xxh128: XXH3-128 checksum of the whole file, 32 lower-case hexadecimal digits.
    """

    bytes: int
    xxh128: str

    def __post_init__(self) -> None:
        if self.bytes < 0:
            raise UserError(f"a table file of {self.bytes} bytes: the size cannot be negative")
        if not _DIGEST.fullmatch(self.xxh128):
            raise UserError(
                f"checksum {self.xxh128!r}: write the XXH3-128 digest as 32 lower-case digits"
            )


@dataclass(frozen=True)
class TableEntry:
    """One table of a model.

    Attributes:
        name: Of the table, `[a-zA-Z0-9_-]{1,120}`.
        path: Folder of the table files: relative to hps.json and inside its folder, or absolute.
        rows: Number of rows; None only for keys "scan" (taken from the file sizes).
        dim: Elements per row.
        type: Element type of the rows.
        keys: "dense": keys are exactly 0..rows-1 in order; "hashed": any distinct keys;
            "scan": an HPS folder whose key file is scanned once.
        default: What an unknown key gives: one value for all elements, or `dim` values.
        unknown: "error" makes an unknown key fail the lookup.
        memory: Where the host keeps the rows.
        verify: Compare the checksums while loading (memory "copied" and "huge").
        emb_vector: Size and checksum of the rows file; None when not known.
        key: The same of the key file.
        scale: The same of the scale file; int8 tables only.
    """

    name: str
    path: str
    rows: int | None
    dim: int
    type: RowType = "fp32"
    keys: KeyKind = "dense"
    default: float | tuple[float, ...] = 0.0
    unknown: UnknownKey = "default"
    memory: Memory = "mapped"
    verify: bool = False
    emb_vector: TableFile | None = None
    key: TableFile | None = None
    scale: TableFile | None = None

    def __post_init__(self) -> None:
        where = f"table {self.name!r}"
        _check_name(self.name, "table")
        _check_path(self.path, where)
        _check_choice(where, "type", self.type, tuple(_ELEMENT_BYTES))
        _check_choice(where, "keys", self.keys, _KEY_KINDS)
        _check_choice(where, "unknown", self.unknown, _UNKNOWN_KEYS)
        _check_choice(where, "memory", self.memory, _MEMORIES)
        if not 1 <= self.dim <= _MAX_DIM:
            raise UserError(f"{where}: dim {self.dim} is outside 1..{_MAX_DIM}")
        if self.rows is None:
            if self.keys != "scan":
                raise UserError(f"{where}: keys {self.keys!r} need the number of rows")
        elif not 0 <= self.rows <= _MAX_ROWS:
            raise UserError(f"{where}: rows {self.rows} is outside 0..{_MAX_ROWS}")
        self._check_default(where)
        self._check_files(where)

    def _check_default(self, where: str) -> None:
        values = self.default if isinstance(self.default, tuple) else (self.default,)
        if isinstance(self.default, tuple) and len(values) != self.dim:
            raise UserError(
                f"{where}: default has {len(values)} values and dim is {self.dim}; "
                "give one value, or one for each element"
            )
        for value in values:
            if not math.isfinite(value):
                raise UserError(f"{where}: default {value} cannot be written as JSON")

    def _check_files(self, where: str) -> None:
        if self.scale is not None and self.type != "int8":
            raise UserError(f"{where}: only int8 tables have a scale file, this one is {self.type}")
        if self.rows is None:
            return
        row_bytes = self.dim * _ELEMENT_BYTES[self.type]
        for file, width in (("emb_vector", row_bytes), ("key", 8), ("scale", 4)):
            entry: TableFile | None = getattr(self, file)
            if entry is not None and entry.bytes != self.rows * width:
                raise UserError(
                    f"{where}: {file} has {entry.bytes} bytes, {self.rows} rows need "
                    f"{self.rows * width}"
                )

    def manifest_line(self) -> str | None:
        """The table's line in the manifest text, or None when something it needs is not known."""
        needs_scale = self.type == "int8"
        if self.rows is None or self.keys == "scan" or self.emb_vector is None or self.key is None:
            return None
        if needs_scale and self.scale is None:
            return None
        files = [f"{file.bytes}:{file.xxh128}" for file in (self.emb_vector, self.key)]
        files.append(f"{self.scale.bytes}:{self.scale.xxh128}" if self.scale else "0:-")
        shape = f"{self.rows} {self.dim} {self.type} {self.keys}"
        return f"table {self.name} {shape} {' '.join(files)}\n"

    def to_dict(self) -> dict[str, Any]:
        """The table's object in hps.json; settings at their default are left out."""
        entry: dict[str, Any] = {"name": self.name, "path": self.path}
        if self.rows is not None:
            entry["rows"] = int(self.rows)
        entry |= {"dim": int(self.dim), "type": self.type, "keys": self.keys}
        default = self.default
        entry["default"] = list(default) if isinstance(default, tuple) else default
        entry |= {"unknown": self.unknown, "memory": self.memory, "verify": self.verify}
        described = {
            file: {"bytes": int(value.bytes), "xxh128": value.xxh128}
            for file in ("emb_vector", "key", "scale")
            if (value := getattr(self, file)) is not None
        }
        if described:
            entry["files"] = described
        return entry


@dataclass(frozen=True)
class ModelEntry:
    """A model: its name, `[a-zA-Z0-9_-]{1,120}`, and its tables in order."""

    name: str
    tables: tuple[TableEntry, ...]

    def __post_init__(self) -> None:
        _check_name(self.name, "model")
        _check_distinct((table.name for table in self.tables), f"model {self.name!r}: table")


@dataclass(frozen=True)
class BundleConfig:
    """A whole hps.json.

    Attributes:
        models: At least one.
        threads: Extra host threads for one big lookup through the C API; 0: the caller's alone.
    """

    models: tuple[ModelEntry, ...]
    threads: int = 0

    def __post_init__(self) -> None:
        if not self.models:
            raise UserError("a configuration needs at least one model")
        if not 0 <= self.threads <= _MAX_THREADS:
            raise UserError(f"threads {self.threads} is outside 0..{_MAX_THREADS}")
        _check_distinct((model.name for model in self.models), "model")

    @property
    def bundle_id(self) -> str:
        """The manifest's id; "" when a checksum is missing."""
        return manifest_id(self.models)

    def to_json(self) -> str:
        """The text of hps.json."""
        document: dict[str, Any] = {"format": FORMAT}
        if bundle_id := self.bundle_id:
            document["bundle_id"] = bundle_id
        document["threads"] = self.threads
        document["models"] = [
            {"name": model.name, "tables": [table.to_dict() for table in model.tables]}
            for model in self.models
        ]
        return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Writes hps.json beside `path`, syncs it and renames it into place.

        Raises:
            UserError: The operating system refused; nothing is left behind.
        """
        try:
            _write_atomically(path, self.to_json().encode())
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from error


def manifest_text(models: Iterable[ModelEntry]) -> str | None:
    """The text that the bundle id is the hash of, or None when a checksum is missing."""
    lines: list[str] = []
    for model in models:
        lines.append(f"model {model.name}\n")
        for table in model.tables:
            line = table.manifest_line()
            if line is None:
                return None
            lines.append(line)
    return "".join(lines)


def manifest_id(models: Iterable[ModelEntry]) -> str:
    """The bundle id of plugin_src/BUNDLE.md: 32 digits, or "" when a checksum is missing."""
    import xxhash

    text = manifest_text(models)
    return "" if text is None else str(xxhash.xxh3_128_hexdigest(text.encode()))


def schema() -> dict[str, Any]:
    """The JSON schema of hps.json that the package ships."""
    from importlib.resources import files

    text = (files("hps_trt") / "schemas" / "hps.schema.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{what} name {name!r}: use 1 to 120 of the characters a-z, A-Z, 0-9, '_' and '-'"
        )


def _check_path(path: str, where: str) -> None:
    unsafe = not path or any(ord(character) < 32 or ord(character) == 127 for character in path)
    pure = PurePosixPath(path)
    if unsafe or (not pure.is_absolute() and ".." in pure.parts):
        raise UserError(
            f"{where}: path {path!r} must stay inside the folder of {CONFIG_NAME}, or be absolute"
        )


def _check_choice(where: str, key: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{where}: {key} {value!r} is none of {', '.join(choices)}")


def _check_distinct(names: Iterable[str], what: str) -> None:
    seen: dict[str, int] = {}
    for position, name in enumerate(names):
        if name in seen:
            raise UserError(
                f"{what} name {name!r} is given twice, at {seen[name]} and {position}; rename one"
            )
        seen[name] = position


def _write_atomically(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 (a descriptor, not a path)
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    """The process' mask; read from /proc so that no other thread sees it changed."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("Umask:"))[6:], 8)
    except (OSError, ValueError, StopIteration):
        return 0o022
