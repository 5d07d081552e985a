"""Converting a model with external tables against copying its tables.

Prints, for each round, how long `cp --reflink=never` of the tables with a sync takes, how long
`hps-trt convert` takes, their ratio, and the converting process' peak resident memory; then the
medians. Both start with the source as the last round left it in the page cache. Everything written
is deleted again.

    python benchmarks/bench_convert.py [--dir FOLDER] [--gb 8] [--rounds 3]
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from models import shape_of, write_model


def copy_seconds(source: Path, target: Path) -> float:
    start = time.perf_counter()
    subprocess.run(["cp", "--reflink=never", str(source), str(target)], check=True)
    subprocess.run(["sync", "-f", str(target)], check=True)
    return time.perf_counter() - start


def convert_seconds(model: Path, bundle: Path) -> tuple[float, int]:
    """Seconds, and the child's peak resident bytes."""
    command = [sys.executable, "-m", "hps_trt.cli.main", "convert", str(model), "-o", str(bundle)]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if child.returncode:
        raise SystemExit(f"convert failed with {child.returncode}")
    return seconds, usage.ru_maxrss * 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--gb", type=float, default=8.0, help="bytes of tables / 10^9")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-convert-", dir=args.dir))
    try:
        model = write_model(folder, *shape_of(args.gb))
        data = folder / "model.onnx.data"
        subprocess.run(["sync", "-f", str(data)], check=True)
        copies, conversions, peaks = [], [], []
        print(f"{data.stat().st_size / 1e9:.2f} GB of tables in {folder}")
        for number in range(args.rounds):
            copied = copy_seconds(data, folder / "copy")
            (folder / "copy").unlink()
            converted, peak = convert_seconds(model, folder / "bundle")
            shutil.rmtree(folder / "bundle")
            copies.append(copied)
            conversions.append(converted)
            peaks.append(peak)
            print(
                f"round {number}: cp + sync {copied:.2f} s, convert {converted:.2f} s, "
                f"ratio {converted / copied:.2f}, peak {peak / 1e6:.0f} MB",
                flush=True,
            )
        ratio = statistics.median(b / a for a, b in zip(copies, conversions, strict=True))
        print(
            f"median: cp + sync {statistics.median(copies):.2f} s, "
            f"convert {statistics.median(conversions):.2f} s, ratio {ratio:.2f} (goal: at most 2), "
            f"peak {max(peaks) / 1e6:.0f} MB (goal: below 500)"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
