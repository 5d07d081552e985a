"""The plan: a readable file between finding lookups and replacing them, meant to be edited.

    {
      "format": "hps-trt-plan/1",
      "fingerprint": "<64 hexadecimal digits>",    the model it was made for
      "min_rows": 0,                               tables with fewer rows stay in the graph
      "lookups": [{"enabled": true, "table": "user", "name": "...", ...}],
      "refused": [{"node": "...", "reason": "...", ...}]
    }

What may be edited: `min_rows`; per lookup `enabled` and `table` (the same for all lookups of one
initializer); a lookup may be removed. Everything else says what was found and is held against the
model again when the plan is applied. `refused` is for the reader.
"""

from __future__ import annotations

import difflib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.findings import Findings, Lookup, Refusal
from hps_trt.surgery.op import is_table_name

FORMAT = "hps-trt-plan/1"
_KEYS = ("format", "fingerprint", "min_rows", "lookups", "refused")


@dataclass(frozen=True)
class Entry:
    """One lookup of a plan; `lookup.table` is the table's planned name."""

    lookup: Lookup
    enabled: bool = True


@dataclass(frozen=True)
class Plan:
    """What `apply` will do; see the module's docstring."""

    fingerprint: str
    entries: tuple[Entry, ...]
    refused: tuple[Refusal, ...] = ()
    min_rows: int = 0

    def active(self) -> tuple[Lookup, ...]:
        """The lookups that are replaced: enabled, and with at least `min_rows` rows."""
        return tuple(
            entry.lookup
            for entry in self.entries
            if entry.enabled and entry.lookup.rows >= self.min_rows
        )

    def to_json(self) -> str:
        """The file's text."""
        document = {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "min_rows": self.min_rows,
            "lookups": [
                {"enabled": entry.enabled, **_table_first(entry.lookup)} for entry in self.entries
            ],
            "refused": [refusal.to_dict() for refusal in self.refused],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "plan") -> Plan:
        """Reads the file's text, strictly.

        Args:
            text: the file's text.
            source: how messages call it.

        Raises:
            SurgeryError: not JSON, a key is unknown, missing, given twice or of a wrong type, two
                lookups write one output, or table names are invalid or contradict each other.
        """
        try:
            document = json.loads(
                text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant
            )
        except (ValueError, RecursionError) as error:
            raise SurgeryError(f"{source}: not valid JSON: {error}") from error
        _check_keys(document, _KEYS, source)
        if document["format"] != FORMAT:
            raise SurgeryError(f"{source}: format is {document['format']!r}, this reads {FORMAT!r}")
        for key, kind in (("fingerprint", str), ("lookups", list), ("refused", list)):
            _want(document[key], kind, key, source)
        min_rows = _want(document["min_rows"], int, "min_rows", source)
        if min_rows < 0:
            raise SurgeryError(f"{source}: min_rows is {min_rows}, must not be negative")
        entries = tuple(
            _entry(item, f"{source}: lookups[{i}]") for i, item in enumerate(document["lookups"])
        )
        refused = tuple(
            Refusal(**_fields(Refusal, item, f"{source}: refused[{i}]"))
            for i, item in enumerate(document["refused"])
        )
        plan = cls(document["fingerprint"], entries, refused, min_rows)
        plan.check(source)
        return plan

    def check(self, source: str = "plan") -> None:
        """Holds the entries against each other.

        Raises:
            SurgeryError: two entries for one lookup, or table names that are invalid or clash.
        """
        seen: set[tuple[str, str]] = set()
        for lookup in (entry.lookup for entry in self.entries):
            if (lookup.scope, lookup.output) in seen:
                raise SurgeryError(f"{source}: lookup '{lookup.name}' is there twice")
            seen.add((lookup.scope, lookup.output))
        initializer_of: dict[str, str] = {}
        table_of: dict[str, str] = {}
        for lookup in self.active():
            table, initializer = lookup.table, lookup.initializer
            if not is_table_name(table):
                raise SurgeryError(
                    f"{source}: lookup '{lookup.name}': table {table!r} must be 1 to 120 "
                    "letters, digits, "
                    "'_' or '-'"
                )
            if initializer_of.setdefault(table, initializer) != initializer:
                raise SurgeryError(
                    f"{source}: lookup '{lookup.name}': table '{table}' already holds "
                    f"'{initializer_of[table]}'; give '{initializer}' a name of its own"
                )
            if table_of.setdefault(initializer, table) != table:
                raise SurgeryError(
                    f"{source}: lookup '{lookup.name}': '{initializer}' is table "
                    f"'{table_of[initializer]}' in "
                    "another lookup; both must name the same table"
                )

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            SurgeryError: the file cannot be written.
        """
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(self.to_json())
                    file.flush()
                    os.fsync(file.fileno())
                Path(name).chmod(0o666 & ~_umask())
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise SurgeryError(f"{path}: cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Reads a file; errors as `from_json`."""
        try:
            if path.exists() and not path.is_file():  # a pipe or a device would be read for ever
                raise SurgeryError(f"{path}: not a regular file; give the path of a plan")
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SurgeryError(f"{path}: cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise SurgeryError(f"{path}: not a text file in UTF-8") from error
        return cls.from_json(text, str(path))


def make_plan(findings: Findings, *, min_rows: int = 0) -> Plan:
    """A plan that replaces every lookup found in a table of at least `min_rows` rows.

    Raises:
        SurgeryError: `min_rows` is negative.
    """
    if min_rows < 0:
        raise SurgeryError(f"min_rows is {min_rows}, must not be negative")
    entries = tuple(Entry(lookup) for lookup in findings.lookups)
    return Plan(findings.fingerprint, entries, findings.refused, min_rows)


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message: the known name that is most like `name`, if any is."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"; nearest is '{close[0]}'" if close else ""


def _table_first(lookup: Lookup) -> dict[str, Any]:
    values = lookup.to_dict()
    return {"table": values.pop("table"), **values}


def _entry(item: Any, where: str) -> Entry:
    if not isinstance(item, dict):
        raise SurgeryError(f"{where}: not an object")
    if isinstance(item.get("name"), str):
        where = f"{where} '{item['name']}'"
    values = _fields(Lookup, item, where, extra=("enabled",))
    enabled = _want(values.pop("enabled"), bool, "enabled", where)
    return Entry(Lookup(**values), enabled)


def _fields(kind: type[Any], item: Any, where: str, extra: Sequence[str] = ()) -> dict[str, Any]:
    """The members of `item`, checked against the fields of a dataclass; lists become tuples."""
    known = {field.name: str(field.type) for field in fields(kind)}
    _check_keys(item, (*extra, *known), where)
    values: dict[str, Any] = {name: item[name] for name in extra}
    for name, annotation in known.items():
        value = item[name]
        if annotation.startswith("tuple"):
            _want(value, list, name, where)
            values[name] = tuple(_want(part, str, name, where) for part in value)
        elif value is None and "None" in annotation:
            values[name] = None
        else:
            values[name] = _want(value, int if annotation == "int" else str, name, where)
    return values


def _check_keys(item: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(item, dict):
        raise SurgeryError(f"{where}: not an object")
    for key in item:
        if key not in known:
            raise SurgeryError(f"{where}: unknown key '{key}'{nearest(key, known)}")
    for key in known:
        if key not in item:
            raise SurgeryError(f"{where}: key '{key}' is missing")


def _want(value: Any, kind: type[Any], key: str, where: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {str: "text", int: "a whole number", bool: "true or false", list: "a list"}
        raise SurgeryError(f"{where}: {key} is {value!r}, must be {names[kind]}")
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key '{key}' is given twice")
        result[key] = value
    return result


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a number")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
