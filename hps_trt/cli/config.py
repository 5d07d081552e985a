"""`hps-trt config check`: is a configuration valid, and what does it say?"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hps_trt.cli.files import make_console, print_json
from hps_trt.errors import UserError
from hps_trt.progress import Progress, shown

_BLOCK_BYTES = 8 << 20
_FILES = ("emb_vector", "key", "scale")


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "config", help="work with an hps.json or an HPS ps.json"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="parse and check a configuration; opens no table")
    check.add_argument(
        "file", type=Path, metavar="FILE", help="an hps.json, a ps.json, or a bundle's folder"
    )
    check.add_argument(
        "--checksums",
        action="store_true",
        help="also read every table file whole and compare its size and checksum",
    )
    check.add_argument("--json", action="store_true", help="print an object for machines")
    check.set_defaults(run=run)


@dataclass(frozen=True)
class FileCheck:
    """A table file against the manifest.

    Attributes:
        path: Of the file.
        expected: "BYTES:XXH128" of the manifest; the checksum is "-" when it states none.
        found: The same of the file, or why it could not be read.
        equal: Whether they agree (an unstated checksum agrees with any).
    """

    path: str
    expected: str
    found: str
    equal: bool


def run(args: argparse.Namespace) -> int:
    """Prints a summary; 1 when files differ from the manifest (an invalid file raises)."""
    from hps_trt import native

    file = args.file / "hps.json" if args.file.is_dir() else args.file
    config = native.config_check(file)
    files: list[FileCheck] = []
    if args.checksums:
        with shown(quiet=args.json) as progress:
            files = list(check_files(config, progress))
    if args.json:
        print_json(config | {"checksums": [asdict(one) for one in files]})
    else:
        show(config)
        if args.checksums:
            show_files(files)
    different = [one for one in files if not one.equal]
    if different:
        raise UserError(
            f"{config['file']}: {len(different)} of {len(files)} table files are not what it says, "
            f"first {different[0].path}; copy them again, or convert the model again"
        )
    return 0


def check_files(config: dict[str, Any], progress: Progress) -> Iterator[FileCheck]:
    """Reads every file that the manifest describes; a file shared by tables is read once."""
    seen: dict[tuple[str, int, str], None] = {}
    for model in config["models"]:
        for table in model["tables"]:
            for name in _FILES:
                if (entry := table["files"].get(name)) is not None:
                    path = str(Path(table["path"]) / name)
                    seen[path, int(entry["bytes"]), str(entry["xxh128"])] = None
    for path, size, digest in seen:
        yield check_file(Path(path), size, digest, progress)


def check_file(path: Path, size: int, digest: str, progress: Progress) -> FileCheck:
    """Compares one file; its rows are read only when its size is right."""
    import xxhash

    expected = f"{size}:{digest or '-'}"
    try:
        if path.exists() and not path.is_file():
            return FileCheck(str(path), expected, "not a regular file", False)
        with path.open("rb", buffering=0) as file:
            actual = os.fstat(file.fileno()).st_size
            if actual != size or not digest:
                return FileCheck(str(path), expected, f"{actual}:-", actual == size)
            checksum = xxhash.xxh3_128()
            block = bytearray(_BLOCK_BYTES)
            done = 0
            while count := file.readinto(block):
                checksum.update(memoryview(block)[:count])
                done += count
                progress(str(path), done, size)
    except OSError as error:
        return FileCheck(str(path), expected, error.strerror or str(error), False)
    return FileCheck(
        str(path),
        expected,
        f"{done}:{checksum.hexdigest()}",
        (done, checksum.hexdigest()) == (size, digest),
    )


def show(config: dict[str, Any]) -> None:
    """Prints models, tables and notices."""
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    identity = f", bundle {config['bundle_id']}" if config["bundle_id"] else ""
    console.print(f"{config['file']}: valid {config['format']}{identity}", soft_wrap=True)
    table = Table("model", "table", "rows", "dim", "type", "keys", "memory")
    table.add_column("folder", overflow="fold")
    for model in config["models"]:
        for one in model["tables"]:
            rows = "as found" if one["rows"] is None else f"{one['rows']:,}"
            cells = (model["name"], one["name"], rows, str(one["dim"]), one["type"], one["keys"])
            table.add_row(*map(Text, (*cells, one["memory"], one["path"])))
    console.print(table)
    for notice in config["notices"]:
        unsupported = notice["kind"] == "unsupported"
        word = "cannot be opened by this build" if unsupported else "not needed"
        line = f"{word}: {notice['where']}: {notice['message']}"
        console.print(Text(line, style="yellow" if unsupported else ""), soft_wrap=True)


def show_files(files: list[FileCheck]) -> None:
    """Prints the files that differ, and how many agree."""
    for one in files:
        if not one.equal:
            print(f"{one.path}: expected {one.expected}, found {one.found}")
    unstated = sum(one.equal and one.expected.endswith(":-") for one in files)
    note = f" ({unstated} by size alone)" if unstated else ""
    print(f"{sum(one.equal for one in files)} of {len(files)} table files agree{note}")
