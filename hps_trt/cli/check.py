"""`hps-trt check`: does a bundle give what its model gives?"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hps_trt.cli.files import print_json
from hps_trt.cli.plan import count

if TYPE_CHECKING:
    from hps_trt.session import CheckResult


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "check", help="compare a bundle with its original in ONNX Runtime; 0 only when all is equal"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument("--against", type=Path, required=True, metavar="MODEL.onnx")
    parser.add_argument("--batches", type=positive, default=20, metavar="N", help="default: 20")
    parser.add_argument("--batch-size", type=positive, default=64, metavar="B", help="default: 64")
    parser.add_argument("--seed", type=count, default=0, metavar="S", help="of the random inputs")
    parser.add_argument(
        "--inputs", type=Path, metavar="in.npz", help="compare on these inputs instead"
    )
    for name in ("rtol", "atol"):
        parser.add_argument(
            f"--{name}",
            type=tolerance,
            help="tolerance of the graph's outputs (default: bit-equal; rows always must be)",
        )
    parser.add_argument("--json", action="store_true", help="print an object for machines")
    parser.set_defaults(run=run)


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    value = count(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def tolerance(text: str) -> float:
    """A number, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number, 0 or more")
    return value


def run(args: argparse.Namespace) -> int:
    """Compares; 0 when all is equal, otherwise 1."""
    from hps_trt import session
    from hps_trt.cli.arrays import load_arrays
    from hps_trt.progress import shown
    from hps_trt.session.check import Settings

    feeds = None if args.inputs is None else [load_arrays(args.inputs)]
    settings = Settings(args.batches, args.batch_size, args.seed, args.rtol, args.atol)
    with shown(unit="batches", quiet=args.json) as progress:
        result = session.check(args.bundle, args.against, settings, feeds=feeds, progress=progress)
    if args.json:
        print_json(result.to_dict())
    else:
        show(result)
    return 0 if result.equal else 1


def show(result: "CheckResult") -> None:
    """Prints the verdict, and every tensor that differs."""
    for one in result.comparisons:
        if one.different or not one.equal:
            verdict = "within the tolerance" if one.equal else "DIFFERENT"
            print(
                f"{one.kind} '{one.name}': {verdict}: {one.different} of {one.elements} elements, "
                f"largest difference {one.max_difference:g}"
                + (f"; {one.first}" if one.first else "")
            )
    for note in result.notes:
        print(f"note: {note}")
    rows = [one for one in result.comparisons if one.kind == "rows"]
    outputs = [one for one in result.comparisons if one.kind == "output"]
    print(
        f"{'equal' if result.equal else 'NOT EQUAL'}: {result.batches} batches, "
        f"{sum(one.elements for one in rows)} elements of {len(rows)} lookups, "
        f"{sum(one.elements for one in outputs)} elements of {len(outputs)} outputs"
    )
