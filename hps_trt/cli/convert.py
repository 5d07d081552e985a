"""`hps-trt convert`: a model in, a bundle out."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hps_trt.cli.files import print_json
from hps_trt.cli.plan import add_min_rows

if TYPE_CHECKING:
    from hps_trt.bundle import Options, Report


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "convert", help="make a bundle out of a model (plan and apply in one)"
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    add_min_rows(parser)
    add_bundle_options(parser)
    parser.set_defaults(run=run)


def add_bundle_options(parser: argparse.ArgumentParser) -> None:
    """Adds what `convert` and `apply` share."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="BUNDLE", help="a folder to be made"
    )
    parser.add_argument("--name", help="the model's name (default: made from the file's name)")
    parser.add_argument(
        "--split",
        action="store_true",
        help="also write the graph before the lookups, the lookups, and the dense graph after them",
    )
    parser.add_argument(
        "--memory",
        choices=("mapped", "copied", "huge"),
        default="mapped",
        help="where the host keeps rows: mapped files, memory, or reserved huge pages",
    )
    parser.add_argument(
        "--unknown",
        choices=("default", "error"),
        default="default",
        help="what an id that no table holds gives: the default vector, or an error",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")
    parser.add_argument("--json", action="store_true", help="print an object for machines")


def options(args: argparse.Namespace) -> "Options":
    """The options that `add_bundle_options` added."""
    from hps_trt.bundle import Options

    return Options(model_name=args.name, split=args.split, memory=args.memory, unknown=args.unknown)


def run(args: argparse.Namespace) -> int:
    """Converts."""
    from hps_trt import bundle
    from hps_trt.progress import shown

    with shown(quiet=args.json or args.dry_run) as progress:
        report = bundle.convert(
            args.model,
            args.output,
            options(args),
            min_rows=args.min_rows,
            dry_run=args.dry_run,
            progress=progress,
        )
    print_report(report, args)
    return 0


def print_report(report: "Report", args: argparse.Namespace) -> None:
    """Says what was written, or would be."""
    if args.json:
        print_json(report.to_dict())
        return
    for table in report.tables:
        print(f"{table.name}: {table.rows} x {table.dim} {table.type}, {table.bytes} bytes")
    verb = "would get" if args.dry_run else "has"
    print(
        f"{report.bundle} {verb} {len(report.tables)} tables of {report.table_bytes} bytes, "
        f"{', '.join(report.files)}"
    )
