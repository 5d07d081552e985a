"""What this machine has, what is wrong with it, and how to mend it.

Every check is a function of a root folder ("/" outside tests) or of a probe, so that tests give it
a machine made of files. A check never raises: what it could not find out is a warning that says so.
"""

from collections.abc import Callable
from pathlib import Path

from hps_trt.doctor import limits, memory, software
from hps_trt.doctor.report import Check, warning

_OF_ROOT: tuple[tuple[str, Callable[[Path], Check]], ...] = (
    ("transparent huge pages", memory.check_transparent_huge_pages),
    ("reserved huge pages", memory.check_reserved_huge_pages),
    ("locked memory", limits.check_locked_memory),
    ("shared memory", memory.check_shared_memory),
    ("memory limit", limits.check_memory_limit),
    ("CPU limit", limits.check_cpu_limit),
    ("NUMA nodes", memory.check_numa_nodes),
)
_OF_SOFTWARE: tuple[tuple[str, Callable[[], Check]], ...] = (
    ("library", software.check_library),
    ("ONNX Runtime", software.check_onnxruntime),
    ("GPU", software.check_gpu),
    ("TensorRT", software.check_tensorrt),
)


def run_checks(root: Path = Path("/")) -> tuple[Check, ...]:
    """All checks, software first.

    Args:
        root: Where `proc`, `sys` and `dev` of the examined machine are.
    """
    checks = [_guarded(name, check) for name, check in _OF_SOFTWARE]
    for name, check in _OF_ROOT:
        checks.append(_guarded(name, lambda check=check: check(root)))  # type: ignore[misc]
    return tuple(checks)


def host_tier_works(checks: tuple[Check, ...]) -> bool:
    """Whether nothing found stops lookups from host memory."""
    return all(check.status != "problem" for check in checks)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (OSError, ValueError, LookupError, AttributeError) as error:
        return warning(name, f"could not be found out: {error}", "report this line")
