"""What the kernel lets this process have: locked memory, and the memory and CPUs of its cgroup."""

import re
from pathlib import Path, PurePosixPath

from hps_trt.doctor.report import Check, meminfo, ok, read, sized, warning

_SMALL_LOCKED_MEMORY = 64 << 20
_SMALL_MEMORY = 1 << 30
# Version 1 writes "no limit" as the largest number of whole pages.
_UNLIMITED_V1 = 1 << 60


def check_locked_memory(root: Path) -> Check:
    """RLIMIT_MEMLOCK: pages that must stay in memory (page-locked buffers) count against it."""
    name = "locked memory"
    text = read(root / "proc/self/limits") or ""
    line = re.search(r"^Max locked memory\s+(\S+)\s+(\S+)", text, flags=re.MULTILINE)
    if line is None:
        return warning(name, "the limit could not be read", "check `ulimit -l`")
    soft = line.group(1)
    if soft == "unlimited":
        return ok(name, "unlimited")
    limit = int(soft)
    if limit < _SMALL_LOCKED_MEMORY:
        return warning(
            name,
            f"at most {sized(limit)}",
            "ulimit -l unlimited, or start the container with --ulimit memlock=-1",
        )
    return ok(name, f"at most {sized(limit)}")


def check_memory_limit(root: Path) -> Check:
    """The smallest memory limit of the cgroups this process is in, and the machine's memory."""
    name = "memory limit"
    machine = meminfo(root / "proc/meminfo").get("MemTotal", 0)
    limits = [int(text) for text in _values(root, "memory", "memory.max") if text.isdigit()]
    old = _values(root, "memory", "memory.limit_in_bytes")
    limits += [int(text) for text in old if text.isdigit() and int(text) < _UNLIMITED_V1]
    limit = min(limits, default=None)
    if limit is None or (machine and limit >= machine):
        return ok(name, f"none ({sized(machine)} in the machine)")
    found = f"{sized(limit)} of {sized(machine)} (cgroup)"
    if limit < _SMALL_MEMORY:
        return warning(name, found, "give the container more memory (docker run --memory)")
    return ok(name, found, "copied tables must fit into it; mapped ones are read from disk again")


def check_cpu_limit(root: Path) -> Check:
    """The smallest CPU quota of the cgroups this process is in."""
    name = "CPU limit"
    status = read(root / "proc/self/status") or ""
    allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)", status, flags=re.MULTILINE)
    cpus = _count(allowed.group(1)) if allowed else 0
    quotas = []
    for text in _values(root, "cpu", "cpu.max"):
        quota, _, period = text.partition(" ")
        if quota.isdigit() and period.isdigit() and int(period):
            quotas.append(int(quota) / int(period))
    periods = _values(root, "cpu", "cpu.cfs_period_us")
    for quota, period in zip(_values(root, "cpu", "cpu.cfs_quota_us"), periods, strict=False):
        if quota.isdigit() and period.isdigit() and int(period):
            quotas.append(int(quota) / int(period))
    if not quotas:
        return ok(name, f"none ({cpus} CPUs allowed)")
    least = min(quotas)
    found = f"{least:.1f} of {cpus} CPUs (cgroup)"
    if least < 1:
        return warning(
            name, f"{found}: lookups are stopped between slices", "docker run --cpus=1 or more"
        )
    return ok(name, found, "start no more threads than that: beyond the quota all are stopped")


def _values(root: Path, controller: str, file: str) -> list[str]:
    """The texts of `file` in this process' cgroup and the ones above it, innermost first."""
    values = []
    for base, path in _cgroups(root, controller):
        # In a container the cgroup's path may be the host's, of which only the end is mounted.
        for folder in (path, *path.parents):
            text = read(base / str(folder).lstrip("/") / file)
            if text is not None:
                values.append(text)
    return values


def _cgroups(root: Path, controller: str) -> list[tuple[Path, PurePosixPath]]:
    """(where its hierarchy is mounted, its path there) for the cgroups that hold `controller`."""
    mounted = root / "sys/fs/cgroup"
    found = []
    for line in (read(root / "proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3 or ".." in PurePosixPath(parts[2]).parts:
            continue
        controllers, path = parts[1], PurePosixPath(parts[2])
        if controllers == "":
            found.append((mounted, path))
        elif controller in controllers.split(","):
            found.append((mounted / controller, path))
            if controllers != controller and not (mounted / controller).is_dir():
                found[-1] = (mounted / controllers, path)
    return found


def _count(cpu_list: str) -> int:
    """How many CPUs "0-3,8" names."""
    total = 0
    for part in cpu_list.split(","):
        first, _, last = part.partition("-")
        total += int(last or first) - int(first) + 1
    return total
