"""`hps-trt doctor`: what this machine has, what is wrong, and how to mend it."""

import argparse
from typing import TYPE_CHECKING, Any

from hps_trt.cli.files import make_console, print_json

if TYPE_CHECKING:
    from hps_trt.doctor.report import Check

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "doctor", help="examine this machine; 1 only for what stops lookups from host memory"
    )
    parser.add_argument("--json", action="store_true", help="print an object for machines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints what was found; 1 when something stops the host tier."""
    from hps_trt import doctor

    checks = doctor.run_checks()
    works = doctor.host_tier_works(checks)
    if args.json:
        print_json({"host_tier_works": works, "checks": [check.to_dict() for check in checks]})
    else:
        show(checks, works)
    return 0 if works else 1


def show(checks: "tuple[Check, ...]", works: bool) -> None:
    """Prints a table, and the verdict below it."""
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "status")
    for name in ("found", "how to mend it"):
        table.add_column(name, overflow="fold")
    for check in checks:
        status = Text(check.status, style=_COLOURS[check.status])
        table.add_row(check.name, status, Text(check.found), Text(check.mend))
    console = make_console()
    console.print(table)
    warnings = sum(check.status == "warning" for check in checks)
    verdict = "lookups from host memory work" if works else "lookups from host memory do not work"
    console.print(f"{verdict}; {warnings} warning{'' if warnings == 1 else 's'}")
