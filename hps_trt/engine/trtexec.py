"""trtexec: its command line, printed or run."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hps_trt.engine.graph import Graph
from hps_trt.engine.profiles import Profile
from hps_trt.errors import HpsError, UserError

USUAL_PLACE = Path("/usr/src/tensorrt/bin/trtexec")


def find_trtexec() -> Path:
    """On PATH, or where the packages of TensorRT put it.

    Raises:
        UserError: it is in neither place.
    """
    found = shutil.which("trtexec")
    if found:
        return Path(found)
    if USUAL_PLACE.is_file() and os.access(USUAL_PLACE, os.X_OK):
        return USUAL_PLACE
    raise UserError(
        f"trtexec is neither on PATH nor {USUAL_PLACE}; install TensorRT, or print the line with "
        "--dry-run and run it elsewhere"
    )


def command(
    program: str,
    graph: Graph,
    output: Path,
    profile: Profile,
    library: Path | None,
    *,
    static: bool,
) -> list[str]:
    """The words of the command line.

    Args:
        program: trtexec's path or name.
        graph: what is built.
        output: the engine's file.
        profile: ranges of the dynamic inputs.
        library: the plugin library; None leaves it out.
        static: `--staticPlugins` instead of `--dynamicPlugins`.

    Raises:
        UserError: a name that trtexec's syntax cannot express.
    """
    words = [program, f"--onnx={graph.path}", f"--saveEngine={output}"]
    # The types are the graph's; and a timing run after the build would need the tables.
    words += ["--stronglyTyped", "--skipInference"]
    if library is not None:
        words.append(f"--{'static' if static else 'dynamic'}Plugins={library}")
    for name in profile:
        if any(character in name for character in ",'"):
            raise UserError(f"input {name!r}: trtexec takes no commas or quotes in names")
    for which in ("min", "opt", "max"):
        shapes = [
            f"{_quoted(name)}:{'x'.join(map(str, getattr(shape, which)))}"
            for name, shape in profile.items()
        ]
        if shapes:
            words.append(f"--{which}Shapes={','.join(shapes)}")
    return words


def _quoted(name: str) -> str:
    return f"'{name}'" if ":" in name else name


def run_trtexec(words: list[str], output: Path) -> None:
    """Runs a line made by `command`; `output` appears only when the engine is complete.

    trtexec's own messages go to standard error.

    Raises:
        HpsError: it failed.
    """
    folder = output.absolute().parent
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{output.name[:200]}.") as work:
        aside = Path(work) / "engine"
        asked = f"--saveEngine={output}"
        line = [f"--saveEngine={aside}" if word == asked else word for word in words]
        status = subprocess.run(line, check=False, stdout=2).returncode
        if status != 0:
            raise HpsError(f"trtexec ended with status {status}; its messages above say why")
        if not aside.is_file():
            raise HpsError("trtexec ended well and wrote no engine")
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(output)
