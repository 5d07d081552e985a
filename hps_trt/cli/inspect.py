"""`hps-trt inspect`: what can be replaced in a model, and what cannot, with reasons."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hps_trt.cli.files import make_console, print_json

if TYPE_CHECKING:
    from hps_trt.surgery import Findings


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "inspect",
        help="list every embedding lookup of a model, and every refused candidate with the reason",
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("--json", action="store_true", help="print an object for machines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Lists the findings."""
    from hps_trt import surgery

    findings = surgery.find(surgery.load(args.model))
    if args.json:
        print_json(findings.to_dict())
    else:
        _show(findings)
    return 0


def _show(findings: "Findings") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    console = make_console()
    lookups = Table(title="Lookups", box=box.SIMPLE_HEAD, title_justify="left")
    for name in ("table", "rows", "dim", "type", "ids", "how the ids come", "scope", "rule"):
        lookups.add_column(name, justify="right" if name in ("rows", "dim") else "left")
    total = 0
    seen = set()
    for found in findings.lookups:
        ids = found.ids if found.ids_column < 0 else f"{found.ids}[..., {found.ids_column}]"
        row = (
            found.table,
            f"{found.rows:,}",
            str(found.dim),
            found.dtype,
            f"{ids} ({found.ids_dtype})",
            " -> ".join(found.ids_path),
            found.scope,
            found.rule,
        )
        lookups.add_row(*map(escape, row))
        if found.initializer not in seen:
            seen.add(found.initializer)
            total += found.rows * found.dim * (4 if found.dtype == "fp32" else 2)
    if findings.lookups:
        console.print(lookups)
    console.print(f"{len(findings.lookups)} lookups in {len(seen)} tables of {total:,} bytes")
    for example, alike in _grouped([d for f in findings.lookups for d in f.differences]):
        more = f" (and {alike - 1} more alike, see --json)" if alike > 1 else ""
        console.print(f"difference: {escape(example)}{more}")
    if findings.refused:
        refused = Table(title="Refused", box=box.SIMPLE_HEAD, title_justify="left")
        for name in ("node", "op", "initializer", "rule", "reason", "scope"):
            refused.add_column(name)
        for refusal in findings.refused:
            refused.add_row(
                *(
                    escape(value or "")
                    for value in (
                        refusal.node,
                        refusal.op,
                        refusal.initializer,
                        refusal.rule,
                        refusal.reason,
                        refusal.scope,
                    )
                )
            )
        console.print(refused)


def _grouped(texts: list[str]) -> list[tuple[str, int]]:
    """One of each group of texts that differ in their numbers only, and how many are in it."""
    import re

    groups: dict[str, list[str]] = {}
    for text in texts:
        groups.setdefault(re.sub(r"-?\d+", "#", text), []).append(text)
    return [(alike[0], len(alike)) for alike in groups.values()]
