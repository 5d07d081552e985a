#!/usr/bin/env python3
"""Installs the TensorRT libraries that the tests run against, each release in a folder of its own.

    python scripts/install_tensorrt_wheels.py .venv/tensorrt
    HPS_TRT_TEST_TENSORRT=.venv/tensorrt python -m pytest tests/tensorrt

About 300 MB are fetched from the package index. No GPU and no driver are needed. A folder that is
complete is left alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

# Folder name: packages. The meta packages are left out: they only import these two.
RELEASES: dict[str, tuple[str, ...]] = {
    "lean-10.15": (
        "tensorrt-lean-cu12-libs==10.15.1.29",
        "tensorrt-lean-cu12-bindings==10.15.1.29",
    ),
    "lean-10.16": (
        "tensorrt-lean-cu12-libs==10.16.1.11",
        "tensorrt-lean-cu12-bindings==10.16.1.11",
    ),
    "lean-11.0": (
        "tensorrt-lean-cu12-libs==11.0.0.114",
        "tensorrt-lean-cu12-bindings==11.0.0.114",
    ),
    "lean-11.4": (
        "tensorrt-lean-cu13-libs==11.4.0.106",
        "tensorrt-lean-cu13-bindings==11.4.0.106",
    ),
    "rtx-1.7": (
        "tensorrt-rtx-cu13-libs==1.7.1.116",
        "tensorrt-rtx-cu13-bindings==1.7.1.116",
    ),
}


def install(packages: tuple[str, ...], target: Path) -> bool:
    """Installs `packages` into `target` unless it is there; returns whether anything was done.

    The packages go into a folder beside it that is renamed when it is complete.
    """
    if target.is_dir():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as work:
        staged = Path(work) / "site"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        subprocess.run([*command, "--target", str(staged), *packages], check=True)
        staged.rename(target)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where the releases' folders go")
    parser.add_argument("--only", choices=sorted(RELEASES), action="append", help="these releases")
    options = parser.parse_args()
    for name, packages in RELEASES.items():
        if options.only and name not in options.only:
            continue
        try:
            done = install(packages, options.folder / name)
        except subprocess.CalledProcessError as error:
            print(f"{name}: pip failed with status {error.returncode}", file=sys.stderr)
            return 1
        print(f"{name}: {'installed' if done else 'present'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
