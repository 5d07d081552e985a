"""Opening a bundle: mapped in no time and without reading rows, copied about as fast as `cat`.

Makes a bundle of the given size (or takes one), and measures in child processes
  mapped  time of opening, bytes read from files meanwhile, resident memory gained
  copied  time to ready, against `cat` of the same table files to /dev/null
each with the files in the page cache ("warm") and after asking the kernel to drop them ("cold",
posix_fadvise; where it does not, the line says so). Everything written is deleted again.

    python benchmarks/bench_open.py [--dir FOLDER] [--gb 8] [--rounds 3]
"""

import argparse
import ctypes
import json
import mmap
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from models import shape_of, write_model

GOALS = {
    "cold": "goal: at least 0.7",
    "warm": "goal: at least 0.7, though cat fills one small buffer again and again: no new memory",
}
OPEN = """
import json, sys, time
from pathlib import Path
from hps_trt import native
def io():
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"]), int(lines["read_bytes"])
def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024
native.load()
before, memory = io(), resident()
start = time.perf_counter()
service = native.Service.open(Path(sys.argv[1]))
seconds = time.perf_counter() - start
after = io()
gained = resident() - memory
print(json.dumps({"seconds": seconds, "read": after[0] - before[0], "disk": after[1] - before[1],
                  "resident": gained}))
service.close()
"""


def open_once(config: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(config)], check=True, capture_output=True, text=True
    )
    result: dict[str, float] = json.loads(done.stdout)
    return result


def cat_seconds(files: list[Path]) -> float:
    start = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(["cat", *map(str, files)], check=True, stdout=nowhere)
    return time.perf_counter() - start


def drop(files: list[Path]) -> float:
    """Asks the kernel to forget the files; returns the part of their pages still in memory."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    return cached(files)


def warm(files: list[Path]) -> None:
    cat_seconds(files)


def cached(files: list[Path]) -> float:
    """The part of the files' pages that the page cache holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    pages = present = 0
    for path in files:
        size = path.stat().st_size
        descriptor = os.open(path, os.O_RDONLY)
        address = libc.mmap(
            None,
            ctypes.c_size_t(size),
            mmap.PROT_READ,
            mmap.MAP_SHARED,
            descriptor,
            ctypes.c_long(0),
        )
        os.close(descriptor)
        count = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
        flags = (ctypes.c_ubyte * count)()
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), flags) != 0:
            raise OSError(ctypes.get_errno(), "mincore")
        libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
        pages += count
        present += sum(flag & 1 for flag in bytes(flags))
    return present / max(1, pages)


def set_memory(config: Path, memory: str) -> Path:
    """A copy of the configuration with that memory setting, beside it."""
    document = json.loads(config.read_text())
    for model in document["models"]:
        for table in model["tables"]:
            table["memory"] = memory
    path = config.with_name(f"hps-{memory}.json")
    path.write_text(json.dumps(document))
    return path


def measure(config: Path, rounds: int) -> None:
    files = sorted(config.parent.glob("tables/*/emb_vector"))
    size = sum(path.stat().st_size for path in files)
    mapped, copied = set_memory(config, "mapped"), set_memory(config, "copied")
    print(f"{size / 1e9:.2f} GB of rows in {len(files)} files")
    for state in ("warm", "cold"):
        opened, loads, cats = [], [], []
        for _ in range(rounds):
            left = prepare(state, files)
            one = open_once(mapped)
            opened.append(one["seconds"])
            pages = cached(files) if state == "cold" else 1.0
            print(
                f"{state} mapped: {1e3 * one['seconds']:.2f} ms, {one['read']:.0f} bytes read, "
                f"{one['disk']:.0f} from disk, {one['resident'] / 1e6:.1f} MB resident"
                + (f", {100 * pages:.2f}% of the rows in the page cache" if state == "cold" else "")
                + (f" (cold is not quite: {100 * left:.0f}% stayed)" if left > 0.01 else ""),
                flush=True,
            )
            prepare(state, files)
            cats.append(cat_seconds(files))
            prepare(state, files)
            loads.append(open_once(copied)["seconds"])
            print(
                f"{state} copied: ready in {loads[-1]:.2f} s ({size / 1e9 / loads[-1]:.2f} GB/s), "
                f"cat {cats[-1]:.2f} s ({size / 1e9 / cats[-1]:.2f} GB/s)",
                flush=True,
            )
        ratio = statistics.median(a / b for a, b in zip(cats, loads, strict=True))
        print(
            f"{state} median: mapped {1e3 * statistics.median(opened):.2f} ms (goal: below 100), "
            f"copied at {ratio:.2f} of cat's speed ({GOALS[state]})"
        )


def prepare(state: str, files: list[Path]) -> float:
    if state == "cold":
        return drop(files)
    warm(files)
    return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--gb", type=float, default=8.0, help="bytes of tables / 10^9")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-open-", dir=args.dir))
    try:
        model = write_model(folder, *shape_of(args.gb))
        bundle = folder / "bundle"
        command = [sys.executable, "-m", "hps_trt.cli.main", "convert", str(model), "-o"]
        subprocess.run([*command, str(bundle)], check=True, stdout=subprocess.DEVNULL)
        (folder / "model.onnx.data").unlink()
        measure(bundle / "hps.json", args.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
