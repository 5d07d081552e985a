"""`hps-trt apply`: writes the bundle that a plan describes."""

import argparse
from pathlib import Path
from typing import Any

from hps_trt.cli.convert import add_bundle_options, options, print_report


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "apply", help="make a bundle out of a model as a plan says, exactly"
    )
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("plan", type=Path, metavar="plan.json")
    add_bundle_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Applies the plan."""
    from hps_trt import bundle
    from hps_trt.progress import shown

    with shown(quiet=args.json or args.dry_run) as progress:
        report = bundle.apply(
            args.model,
            args.plan,
            args.output,
            options(args),
            dry_run=args.dry_run,
            progress=progress,
        )
    print_report(report, args)
    return 0
