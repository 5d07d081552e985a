"""`hps-trt plan`: writes what convert would do into a file that may be edited."""

import argparse
from pathlib import Path
from typing import Any

from hps_trt.cli import files


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "plan", help="write the plan of a conversion, to be edited and applied"
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("-o", "--output", type=Path, metavar="plan.json", help="the plan's file")
    add_min_rows(parser)
    parser.add_argument("--json", action="store_true", help="print the plan on standard output")
    files.add_force(parser)
    files.add_dry_run(parser)
    parser.set_defaults(run=run)


def add_min_rows(parser: argparse.ArgumentParser) -> None:
    """Adds --min-rows."""
    parser.add_argument(
        "--min-rows",
        type=count,
        default=0,
        metavar="N",
        help="tables with fewer rows stay in the graph (default: none does)",
    )


def count(text: str) -> int:
    """A number of things: a whole number, 0 or more."""
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number, 0 or more")
    return value


def run(args: argparse.Namespace) -> int:
    """Makes the plan."""
    from hps_trt import bundle, surgery
    from hps_trt.errors import UserError

    if args.output is None and not args.json:
        raise UserError("say where the plan goes: -o plan.json, or --json for standard output")
    if args.output is not None:
        files.check_new(args.output, args.force)
    findings = surgery.find(surgery.load(args.model))
    if not findings.lookups:
        raise UserError(f"{args.model}: {bundle.nothing_found(findings, args.min_rows)}")
    plan = surgery.make_plan(findings, min_rows=args.min_rows)
    text = plan.to_json()
    if args.output is not None and not args.dry_run:
        files.write_aside(args.output, lambda file: file.write(text.encode("utf-8")))
    if args.json:
        print(text)
    else:
        counts = f"{len(findings.lookups)} lookups, {len(findings.refused)} refused"
        print(f"{files.would(args)}{args.output}: {counts}")
    return 0
