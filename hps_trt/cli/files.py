"""Files that commands write: aside, synced, renamed, and never over another one unasked."""

import argparse
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from hps_trt.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def add_force(parser: argparse.ArgumentParser) -> None:
    """Adds --force, which `check_new` looks at."""
    parser.add_argument("--force", action="store_true", help="replace an output file that exists")


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """Adds --dry-run for commands that write a single file."""
    parser.add_argument("--dry-run", action="store_true", help="do all but write the file")


def would(args: argparse.Namespace) -> str:
    """What a report puts before a file that --dry-run left unwritten."""
    return "would write " if args.dry_run else ""


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
    except BaseException as error:
        aside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.strerror and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def make_console() -> "Console":
    """Where tables are printed: piped text is for grep and logs, and nothing in it is cut."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=400)


def print_json(value: Any) -> None:
    """Prints `value` on standard output, for machines."""
    print(json.dumps(value, indent=2))
