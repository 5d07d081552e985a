"""The library, ONNX Runtime, the GPU driver and TensorRT."""

import ctypes
import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

from hps_trt.doctor.report import Check, ok, problem, warning
from hps_trt.errors import HpsError

OLDEST_ONNXRUNTIME = (1, 18)
_NVIDIA_SMI_SECONDS = 20
_TENSORRT_MODULES = ("tensorrt", "tensorrt_lean", "tensorrt_rtx")
_TENSORRT_LIBRARIES = ("libnvinfer.so.11", "libnvinfer.so.10")


def check_library() -> Check:
    """Is libhps_plugin.so there, and does it load?"""
    name = "library"
    mend = "install the package again, or point HPS_TRT_LIBRARY at libhps_plugin.so"
    try:
        from hps_trt import native

        path = native.library_path()
        version = native.version()
    except (ImportError, OSError, HpsError) as error:
        return problem(name, f"cannot be loaded: {error}", mend)
    return ok(name, f"{path}, version {version}")


def check_onnxruntime(find: Callable[..., str | None] | None = None) -> Check:
    """ONNX Runtime runs bundles on the CPU (`check`, `run`)."""
    name = "ONNX Runtime"
    version = (find or _version)("onnxruntime", "onnxruntime", "onnxruntime-gpu")
    if version is None:
        return problem(name, "not found", "pip install onnxruntime")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_ONNXRUNTIME:
        oldest = ".".join(map(str, OLDEST_ONNXRUNTIME))
        return problem(
            name, f"version {version}", f"pip install 'onnxruntime>={oldest}': older ones lack APIs"
        )
    return ok(name, f"version {version}")


@dataclass(frozen=True)
class Driver:
    """What libcuda.so.1 and nvidia-smi say.

    Attributes:
        cuda: The newest CUDA version that the driver serves, as (major, minor); None without one.
        error: Why no GPU can be used; "" when they can.
        gpus: One line for each GPU.
    """

    cuda: tuple[int, int] | None
    error: str = ""
    gpus: tuple[str, ...] = ()


def check_gpu(probe: Callable[[], Driver] | None = None) -> Check:
    """The host tier needs no GPU; TensorRT engines do."""
    name = "GPU"
    driver = (probe or probe_driver)()
    if driver.cuda is None:
        return warning(
            name,
            f"no NVIDIA driver ({driver.error})",
            "needed for TensorRT engines only: install the driver; in a container, --gpus all",
        )
    version = f"driver serves CUDA {driver.cuda[0]}.{driver.cuda[1]}"
    if driver.error or not driver.gpus:
        return warning(
            name,
            f"{version}; no GPU can be used ({driver.error or 'none is visible'})",
            "check nvidia-smi and CUDA_VISIBLE_DEVICES; in a container, --gpus all",
        )
    return ok(name, f"{version}; {', '.join(driver.gpus)}")


def probe_driver() -> Driver:
    """Asks libcuda.so.1, and nvidia-smi for names. Leaves no CUDA context behind."""
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Driver(None, "libcuda.so.1 is not installed")
    number = ctypes.c_int(0)
    if cuda.cuDriverGetVersion(ctypes.byref(number)) != 0:
        return Driver(None, "libcuda.so.1 does not answer")
    version = (number.value // 1000, number.value % 1000 // 10)
    code = cuda.cuInit(0)
    if code != 0:
        return Driver(version, f"cuInit failed with CUresult {code}")
    count = ctypes.c_int(0)
    code = cuda.cuDeviceGetCount(ctypes.byref(count))
    if code != 0:
        return Driver(version, f"cuDeviceGetCount failed with CUresult {code}")
    return Driver(version, "", _gpu_lines() or ("GPU",) * count.value if count.value else ())


def _gpu_lines() -> tuple[str, ...]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            [tool, *query], capture_output=True, text=True, timeout=_NVIDIA_SMI_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    if done.returncode != 0:
        return ()
    return tuple(" ".join(line.split()) for line in done.stdout.splitlines() if line.strip())


def check_tensorrt(
    find: Callable[..., str | None] | None = None,
    library_version: Callable[[str], str | None] | None = None,
) -> Check:
    """Python packages and libraries of TensorRT, none of which the host tier needs."""
    name = "TensorRT"
    found = []
    for module in _TENSORRT_MODULES:
        names = [module, *(f"{module}_cu{cuda}" for cuda in (13, 12, 11))]
        version = (find or _version)(module, *names)
        if version is not None:
            found.append(f"{module} {version} (Python)")
    for library in _TENSORRT_LIBRARIES:
        version = (library_version or _library_version)(library)
        if version is not None:
            found.append(f"{library} {version}")
    if found:
        return ok(name, ", ".join(found))
    return warning(
        name,
        "not found",
        "needed to build engines only: pip install tensorrt, or use a TensorRT container",
    )


def _version(module: str, *distributions: str) -> str | None:
    """The version of an importable module, by the distributions it may come from."""
    if importlib.util.find_spec(module) is None:
        return None
    for distribution in distributions:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return "of unknown version"


def _library_version(library: str) -> str | None:
    """What getInferLibVersion says; None when the loader does not find the library."""
    try:
        loaded = ctypes.CDLL(library)
        number = int(loaded.getInferLibVersion())
    except (OSError, AttributeError):
        return None
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
