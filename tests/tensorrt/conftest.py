"""Where the TensorRT libraries and ours are, and child processes that use them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def library() -> Path:
    """libhps_plugin.so, as the package finds it."""
    from hps_trt import native

    return native.library_path()


@pytest.fixture(scope="session")
def release_folder() -> Callable[[str], Path]:
    """The folder of an installed release (scripts/install_tensorrt_wheels.py)."""

    def folder(name: str) -> Path:
        root = os.environ.get("HPS_TRT_TEST_TENSORRT")
        if not root:
            pytest.skip(
                "HPS_TRT_TEST_TENSORRT is not set (scripts/install_tensorrt_wheels.py FOLDER)"
            )
        path = Path(root).absolute() / name
        if not path.is_dir():
            pytest.skip(f"{path} is not installed (scripts/install_tensorrt_wheels.py)")
        return path

    return folder


@pytest.fixture
def child(release_folder: Callable[[str], Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs Python code in a process of its own, with a release on its path.

    TensorRT can be loaded once per process, and a crash in it must fail one test only.
    """

    def run(
        code: str, release: str, *arguments: object, preload: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(release_folder(release)), os.environ.get("PYTHONPATH", "")]
            ).rstrip(os.pathsep),
        }
        if preload is not None:
            environment["LD_PRELOAD"] = str(preload)
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
