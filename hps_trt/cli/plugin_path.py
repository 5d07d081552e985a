"""`hps-trt plugin-path`: where the library is, for LD_PRELOAD, trtexec and Triton."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "plugin-path", help="print where libhps_plugin.so is"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the path; an error when there is no library there."""
    from hps_trt.native import library_path

    print(library_path())
    return 0
