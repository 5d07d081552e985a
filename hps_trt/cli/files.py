"""Files that commands write: aside, synced, renamed, and never over another one unasked."""

import argparse
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from hps_trt.errors import UserError


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds --force, which `check_new` looks at."""
    parser.add_argument("--force", action="store_true", help="replace an output file that exists")


def check_new(path: Path, force: bool) -> None:
    """Raises UserError when `path` cannot be written; called before the work, not after it."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file")
    if os.path.lexists(path) and not force:
        raise UserError(f"{path} exists already; choose another name or give --force")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path.absolute().parent} is no folder; make it first")


def write_aside(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Lets `write` fill a temporary file in the same folder, then renames it to `path`."""
    aside = path.absolute().parent / f".{path.name[:200]}.tmp-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(aside, flags, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def print_json(value: Any) -> None:
    """Prints `value` on standard output, for machines."""
    print(json.dumps(value, indent=2))
