"""`hps-trt`: puts the subcommands together and turns every failure into one line.

Exit codes: 0 done, 1 a mistake or a failure (one line on standard error), 130 interrupted.
"""

import argparse
import difflib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import hps_trt
from hps_trt.cli import (
    apply,
    build,
    check,
    config,
    convert,
    doctor,
    inspect,
    lookup,
    plan,
    plugin_path,
    run,
)
from hps_trt.errors import HpsError

PROGRAM = "hps-trt"
_SUBCOMMANDS = (
    inspect,
    plan,
    apply,
    convert,
    check,
    run,
    lookup,
    build,
    config,
    doctor,
    plugin_path,
)


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors, exit code 1, no abbreviations, and suggestions."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._seen: list[str] = []

    def parse_known_args(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parses; an option nobody knows is reported by the parser that met it."""
        self._seen = list(sys.argv[1:] if args is None else args)
        parsed, extra = super().parse_known_args(args, namespace)
        extra = extra + list(getattr(parsed, argparse._UNRECOGNIZED_ARGS_ATTR, []))
        if extra:
            self.error(f"unrecognized arguments: {' '.join(extra)}")
        return parsed, extra

    def error(self, message: str) -> NoReturn:
        """Prints one line and exits with 1; says what an unknown option was meant to be."""
        for token in self._seen:
            if token == "--":
                break
            name = token.split("=")[0]
            if name.startswith("--") and name not in self._option_string_actions:
                known = [option for option in self._option_string_actions if option[:2] == "--"]
                message = f"unknown option {name}{_meant(name, known)}"
                break
        fail(f"{message} (see '{self.prog} --help')")
        raise SystemExit(1)


def _meant(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def fail(message: str) -> None:
    """Prints the error line."""
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(f"{PROGRAM}: error: {line}", file=sys.stderr)


def make_parser() -> Parser:
    """The whole command line."""
    parser = Parser(prog=PROGRAM, description=hps_trt.__doc__)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {hps_trt.__version__}")
    _add_verbose(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in _SUBCOMMANDS:
        module.add_parser(subparsers)
    for subparser in _leaves(subparsers):
        _add_verbose(subparser)
    return parser


def _leaves(subparsers: "argparse._SubParsersAction[Parser]") -> list[argparse.ArgumentParser]:
    found: list[argparse.ArgumentParser] = []
    for subparser in dict.fromkeys(subparsers.choices.values()):
        nested = [a for a in subparser._actions if isinstance(a, argparse._SubParsersAction)]
        found += [leaf for action in nested for leaf in _leaves(action)] or [subparser]
    return found


def _add_verbose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=argparse.SUPPRESS,
        help="show where an error came from",
    )


def _check_command(parser: Parser, arguments: Sequence[str]) -> None:
    """Unknown subcommands get a suggestion, which argparse has only from Python 3.12 on."""
    command = next((token for token in arguments if not token.startswith("-")), None)
    action = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    if command is not None and command not in action.choices:
        known = list(action.choices)
        meant = _meant(command, known) or f"; there are {', '.join(known)}"
        fail(f"unknown subcommand '{command}'{meant}")
        raise SystemExit(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; usage mistakes raise SystemExit(1)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser()
    _check_command(parser, arguments)
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.error("say what to do: a subcommand is missing")
    for stream in (sys.stdout, sys.stderr):
        # A file's name may hold what a terminal cannot show: better escaped than no report at all.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # A stopped command cleans up behind itself, as an interrupted one does.
    signal.signal(signal.SIGTERM, _stop)
    try:
        code: int = parsed.run(parsed)
        if sys.stdout is not None:  # started with standard output closed
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader has gone (as `| head` does): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        fail("interrupted")
        return 130
    except (HpsError, OSError, MemoryError) as error:
        return _failed(error, parsed)
    except Exception as error:
        # Surgery has an error of its own (it knows nothing of this package); imported only here,
        # because importing it costs a second that `--help` and `plugin-path` need not wait.
        from hps_trt.surgery import SurgeryError

        if not isinstance(error, SurgeryError):
            raise
        return _failed(error, parsed)


def _failed(error: BaseException, parsed: argparse.Namespace) -> int:
    if getattr(parsed, "verbose", False):
        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        fail(f"out of memory: {error}".rstrip(": "))
    elif isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        fail(f"{where}{error.strerror}")
    else:
        fail(str(error))
    return 1


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
