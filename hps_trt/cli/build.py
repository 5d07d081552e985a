"""`hps-trt build`: a TensorRT engine out of a bundle."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hps_trt.cli.files import add_force, check_new, print_json, write_aside
from hps_trt.errors import UserError

if TYPE_CHECKING:
    from hps_trt.engine import Graph, Profile


def add_parser(subparsers: Any) -> None:
    """Adds the subcommand."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "build", help="build a TensorRT engine from a bundle, or print trtexec's line"
    )
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a bundle, or an ONNX file")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="model.plan")
    add_force(parser)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--trtexec", action="store_true", help="build with trtexec")
    way.add_argument(
        "--tensorrt-rtx",
        action="store_true",
        help="build the dense part of a split bundle with TensorRT for RTX; needs no GPU",
    )
    parser.add_argument(
        "--profile",
        action="append",
        default=[],
        metavar="NAME=MIN,OPT,MAX",
        help="range of an input (1x3,64x3,1024x3) or of a symbolic axis (batch=1,64,1024)",
    )
    parser.add_argument(
        "--default-range",
        default="1,64,1024",
        metavar="MIN,OPT,MAX",
        help="of the dynamic axes that no --profile names (default: %(default)s)",
    )
    parser.add_argument("--workspace", type=mebibytes, metavar="MiB", help="scratch memory at most")
    parser.add_argument(
        "--static-plugins",
        action="store_true",
        help="with --trtexec: load the plugin by --staticPlugins, not --dynamicPlugins",
    )
    parser.add_argument(
        "--compute-capability",
        type=capability,
        action="append",
        metavar="CC",
        help="with --tensorrt-rtx: a GPU to build for, as 89 or 8.9 (default: all it knows of)",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, only")
    parser.add_argument("--json", action="store_true", help="print an object for machines")
    parser.set_defaults(run=run)


def mebibytes(text: str) -> int:
    """A number of MiB, in bytes."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1 << 22):
        raise argparse.ArgumentTypeError("must be a number of MiB, 1 or more")
    return int(text) << 20


def capability(text: str) -> int:
    """89 or 8.9."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 3):
        raise argparse.ArgumentTypeError("must be a compute capability such as 89")
    return int(digits)


def run(args: argparse.Namespace) -> int:
    """Builds."""
    from hps_trt import engine
    from hps_trt.engine.profiles import parse_range

    _check_options(args)
    if not args.dry_run:
        check_new(args.output, args.force)
    graph = engine.dense_graph(args.bundle) if args.tensorrt_rtx else engine.open_graph(args.bundle)
    default = parse_range(args.default_range, "--default-range")
    if len(default.min) != 1:
        raise UserError("--default-range: three numbers are needed, as in 1,64,1024")
    profile = engine.make_profile(graph, args.profile, default)
    if args.trtexec:
        return _trtexec(args, graph, profile)
    if not args.dry_run:
        _build(args, graph, profile)
    _report(args, graph, profile)
    return 0


def _check_options(args: argparse.Namespace) -> None:
    for option, given, needs, wanted in (
        ("--static-plugins", args.static_plugins, "--trtexec", args.trtexec),
        ("--compute-capability", args.compute_capability, "--tensorrt-rtx", args.tensorrt_rtx),
    ):
        if given and not wanted:
            raise UserError(f"{option} goes with {needs}")
    if args.workspace and args.trtexec:
        raise UserError("--workspace does not go with --trtexec; add --memPoolSize to its line")


def _trtexec(args: argparse.Namespace, graph: "Graph", profile: "Profile") -> int:
    from hps_trt import engine, native

    library = native.library_path() if graph.plugin_nodes else None
    program = "trtexec" if args.dry_run else str(engine.find_trtexec())
    words = engine.command(
        program, graph, args.output, profile, library, static=args.static_plugins
    )
    if not args.dry_run:
        engine.run_trtexec(words, args.output)
    if args.dry_run and not args.json:
        print(shlex.join(words))
    else:
        _report(args, graph, profile, words)
    return 0


def _build(args: argparse.Namespace, graph: "Graph", profile: "Profile") -> None:
    from hps_trt import engine, native
    from hps_trt.progress import shown

    with shown(unit="steps", quiet=args.json) as progress:
        if args.tensorrt_rtx:
            plan = engine.build_rtx(
                graph,
                profile,
                progress,
                capabilities=args.compute_capability or engine.CAPABILITIES,
                workspace=args.workspace,
            )
        else:
            library = native.library_path()
            plan = engine.build(graph, profile, library, progress, workspace=args.workspace)
    write_aside(args.output, lambda file: file.write(plan))


def _report(
    args: argparse.Namespace,
    graph: "Graph",
    profile: "Profile",
    words: list[str] | None = None,
) -> None:
    built = not args.dry_run
    ranges = {name: shape.to_text() for name, shape in profile.items()}
    size = args.output.stat().st_size if built else None
    if args.json:
        report = {"graph": str(graph.path), "engine": str(args.output), "bytes": size}
        print_json(
            {**report, "profile": ranges, "plugins": list(graph.plugin_nodes), "trtexec": words}
        )
        return
    for name, text in ranges.items():
        print(f"{name}: {text}")
    print(
        f"{args.output}: {size} bytes" if built else f"{args.output} would be built of {graph.path}"
    )
