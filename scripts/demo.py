"""The main job on a real model: a DLRM of 26 tables is inspected, converted, compared and measured.

Run by demo.sh in the environment it makes; needs nothing but hps-trt itself. Ends with a line that
starts with PASS or FAIL, and exits with 0 or 1.
"""

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from rich import box
from rich.console import Console
from rich.table import Table

from hps_trt import bundle as bundles
from hps_trt import native, session, surgery
from hps_trt.cli.main import main as hps_trt
from hps_trt.demo import dlrm
from hps_trt.errors import HpsError
from hps_trt.progress import shown

BATCH = 1024
DISTINCT_BATCHES = 16
PARTS = ("lookups-original.onnx", "lookups-bundle.onnx")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, default=Path("demo-output"), help="where to write")
    parser.add_argument("--seed", type=int, default=0, help="of the tables' rows and the inputs")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the tables' rows, 0 to 1")
    parser.add_argument("--rounds", type=int, default=100, help="runs of each kind to measure")
    parser.add_argument("--clean", action="store_true", help="remove what was written at the end")
    return parser.parse_args(arguments)


def step(title: str) -> None:
    print(f"\n== {title}", flush=True)


def command(*words: object) -> int:
    """Runs a command as a user would, after showing it."""
    print(f"$ hps-trt {' '.join(map(str, words))}", flush=True)
    return hps_trt([str(word) for word in words])


def make_room(folder: Path) -> None:
    """Removes the bundle of an earlier demonstration, and nothing that is not one."""
    if not folder.exists():
        return
    if not (folder / bundles.PLAN_FILE).is_file():
        raise HpsError(f"{folder} exists and is no bundle; give another --workdir")
    shutil.rmtree(folder)


def timed(calls: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, taken in turns so that a busy machine slows all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for number in range(3):
            call(number)
    for number in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call(number)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def lookups_only(model: Path, rows: list[str], into: Path) -> Path:
    """Writes the part of `model` that makes the tensors `rows`; its tables stay where they are."""
    proto = onnx.load(str(model), load_external_data=False)
    graph = proto.graph
    needed = set(rows)
    kept = []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(kept)]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    for name in rows:
        graph.output.add().name = name
    for values in (graph.input, graph.initializer):
        for position in reversed(range(len(values))):
            if values[position].name not in needed:
                del values[position]
    onnx.save(proto, str(into))
    return into


def bound(opened: Any, feeds: list[dict[str, np.ndarray]]) -> Callable[[int], object]:
    """A call that runs with outputs that are allocated once, as a server's are."""
    names = [given.name for given in opened.get_inputs()]
    outputs = [value.name for value in opened.get_outputs()]
    first = opened.run(outputs, {name: feeds[0][name] for name in names})
    binding = opened.io_binding()
    for name, value in zip(outputs, first, strict=True):
        binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(value))

    def call(number: int) -> None:
        for name in names:
            binding.bind_cpu_input(name, feeds[number % len(feeds)][name])
        opened.run_with_iobinding(binding)

    return call


def measure(demo: dlrm.Demo, folder: Path, seed: int, rounds: int) -> dict[str, list[float]]:
    """Times the lookups alone, and the whole model, in the original and in the bundle."""
    rows = [found.output for found in surgery.find(surgery.load(demo.path)).lookups]
    feeds = [demo.inputs(BATCH, seed=seed + number) for number in range(DISTINCT_BATCHES)]
    before = lookups_only(demo.path, rows, demo.path.with_name(PARTS[0]))
    after = lookups_only(folder / bundles.MODEL_FILE, rows, demo.path.with_name(PARTS[1]))
    with session.open_session(folder) as converted:
        sessions = {
            "lookups, original": session.make_session(before),
            "lookups, bundle": session.make_session(after, plugin=True),
            "whole model, original": session.make_session(demo.path),
            "whole model, bundle": converted.session,
        }
        return timed({name: bound(one, feeds) for name, one in sessions.items()}, rounds)


def show_times(seconds: dict[str, list[float]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column(f"batch {BATCH} x {len(dlrm.ROWS)} ids, {dlrm.DIM} x fp32")
    for name in ("lookups/s", "p50", "p99"):
        table.add_column(name, justify="right")
    for name, taken in seconds.items():
        taken = sorted(taken)
        rate = BATCH * len(dlrm.ROWS) * len(taken) / sum(taken)
        p99 = taken[min(len(taken) - 1, int(0.99 * len(taken)))]
        table.add_row(
            name,
            f"{rate / 1e6:.2f} M",
            f"{1e3 * statistics.median(taken):.2f} ms",
            f"{1e3 * p99:.2f} ms",
        )
    Console().print(table)
    ratio = statistics.median(seconds["lookups, bundle"]) / statistics.median(
        seconds["lookups, original"]
    )
    print(f"lookups in the bundle take {ratio:.2f} times as long as the original's Gather (p50)")


def show_hosts(folder: Path) -> None:
    library = native.library_path()
    config = folder / bundles.CONFIG_FILE
    print(f"library:   {library}")
    print(f"engine:    hps-trt build {folder} -o model.plan")
    print(f"trtexec:   trtexec --loadEngine=model.plan --staticPlugins={library}")
    print(
        f"Triton:    HPS_TRT_CONFIG={config} LD_PRELOAD={library} tritonserver "
        "--model-repository=REPOSITORY"
    )
    print("(in this version the lookup itself runs on the CPU: an engine builds, its run says so)")


def demonstrate(args: argparse.Namespace) -> list[str]:
    """Does it all; returns what went wrong."""
    wrong: list[str] = []
    args.workdir.mkdir(parents=True, exist_ok=True)
    folder = args.workdir.resolve() / "bundle"
    make_room(folder)
    step("a DLRM with 26 tables: the exporter's graph, rows made from a seed")
    with shown() as progress:
        demo = dlrm.write_model(
            args.workdir.resolve(), seed=args.seed, scale=args.scale, progress=progress
        )
    size = sum(demo.rows) * dlrm.DIM * 4
    print(f"{demo.path}: {len(demo.rows)} tables of {size / 1e9:.2f} GB")
    step("what can be replaced in it")
    if command("inspect", demo.path) != 0:
        wrong.append("inspect failed")
    found = len(surgery.find(surgery.load(demo.path)).lookups)
    if found != len(demo.rows):
        wrong.append(f"{found} lookups were found in place of {len(demo.rows)}")
    step("the model becomes a bundle")
    if command("convert", demo.path, "-o", folder) != 0:
        return [*wrong, "convert failed"]
    step("the bundle against the original: same inputs, first and last rows among them")
    words = ("--batches", 20, "--batch-size", 256, "--seed", args.seed)
    if command("check", folder, "--against", demo.path, *words) != 0:
        wrong.append("the bundle does not give what the original gives")
    step("how fast, both in ONNX Runtime on this machine's CPU")
    show_times(measure(demo, folder, args.seed, args.rounds))
    step("where it goes from here")
    show_hosts(folder)
    return wrong


def clean(workdir: Path) -> None:
    """Removes what was written, and the folder when nothing else is in it."""
    for name in (dlrm.NAME, dlrm.DATA_NAME, *PARTS):
        (workdir / name).unlink(missing_ok=True)
    make_room(workdir / "bundle")
    if workdir.is_dir() and not any(workdir.iterdir()):
        workdir.rmdir()


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    start = time.perf_counter()
    try:
        wrong = demonstrate(args)
        if args.clean:
            clean(args.workdir)
    except (HpsError, surgery.SurgeryError, OSError) as error:
        wrong = [str(error)]
    seconds = time.perf_counter() - start
    if wrong:
        print(f"\nFAIL after {seconds:.0f} s: {'; '.join(wrong)}")
        return 1
    print(
        f"\nPASS in {seconds:.0f} s: {len(dlrm.ROWS)} lookups replaced, 20 batches bit-equal "
        "to the original"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
