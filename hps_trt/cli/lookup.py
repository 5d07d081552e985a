"""`hps-trt lookup`: rows of one table by keys, without a graph."""

import argparse
from pathlib import Path
from typing import Any

from hps_trt.cli import files


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "lookup", help="look keys up in a table of a configuration"
    )
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="an hps.json, a ps.json, or a bundle's folder"
    )
    parser.add_argument("--table", required=True, metavar="MODEL/TABLE")
    parser.add_argument(
        "--keys", type=Path, required=True, metavar="keys.npy", help="int32 or int64, any shape"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="rows.npy")
    parser.add_argument(
        "--index-mode",
        choices=("key", "onnx"),
        default="key",
        help="key: every id is a key. onnx: -rows..-1 count from the end (default: key)",
    )
    files.add_force(parser)
    files.add_dry_run(parser)
    parser.add_argument("--json", action="store_true", help="print an object for machines")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Looks up and writes the rows."""
    import numpy as np

    from hps_trt import bundle, native
    from hps_trt.cli.arrays import load_array, save_array
    from hps_trt.errors import UserError
    from hps_trt.progress import shown

    model, slash, table = args.table.partition("/")
    if not (model and slash and table) or "/" in table:
        raise UserError(f"--table '{args.table}' is not of the form MODEL/TABLE")
    files.check_new(args.output, args.force)
    keys = load_array(args.keys)
    if keys.dtype not in (np.int32, np.int64):
        raise UserError(f"{args.keys}: keys are {keys.dtype}; they must be int32 or int64")
    config = args.config / bundle.CONFIG_FILE if args.config.is_dir() else args.config
    with (
        shown(quiet=args.json) as progress,
        native.Service.open(config, progress=progress) as service,
    ):
        rows = service.lookup(model, table, keys, index_mode=args.index_mode)
        defaults = service.defaults
    if not args.dry_run:
        files.write_aside(args.output, lambda file: save_array(file, rows))
    if args.json:
        report = {"file": str(args.output), "type": rows.dtype.name, "shape": list(rows.shape)}
        files.print_json(report | {"rows": int(keys.size), "defaults": defaults})
    else:
        counts = f"{keys.size} rows, {defaults} of them the default vector"
        print(f"{files.would(args)}{args.output}: {counts}")
    return 0
