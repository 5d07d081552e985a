"""`hps-trt run`: runs a bundle on given inputs in ONNX Runtime."""

import argparse
from pathlib import Path
from typing import Any

from hps_trt.cli import files


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "run", help="run a bundle on inputs from a file"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE")
    parser.add_argument(
        "--inputs", type=Path, required=True, metavar="in.npz", help="one array per graph input"
    )
    parser.add_argument("--outputs", type=Path, required=True, metavar="out.npz")
    files.add_force(parser)
    files.add_dry_run(parser)
    parser.add_argument("--json", action="store_true", help="print an object for machines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs and writes the outputs."""
    from hps_trt import session
    from hps_trt.cli.arrays import load_arrays
    from hps_trt.progress import shown

    files.check_new(args.outputs, args.force)
    feed = load_arrays(args.inputs)
    with (
        shown(quiet=args.json) as progress,
        session.open_session(args.bundle, progress=progress) as opened,
    ):
        outputs = opened.run(feed)
    if not args.dry_run:
        # savez takes the names as keyword arguments, of which it has some of its own ("file").
        files.write_aside(args.outputs, lambda file: save_arrays(file, outputs))
    if args.json:
        described = {
            name: {"type": value.dtype.name, "shape": list(value.shape)}
            for name, value in outputs.items()
        }
        files.print_json({"file": str(args.outputs), "outputs": described})
        return 0
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in outputs.items())
    print(f"{files.would(args)}{args.outputs}: {shapes}")
    return 0


def save_arrays(file: Any, arrays: Any) -> None:
    """Writes an .npz archive whose members may have any name."""
    import zipfile

    import numpy as np

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
