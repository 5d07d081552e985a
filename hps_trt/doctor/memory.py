"""Pages, shared memory and NUMA nodes."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from hps_trt.doctor.report import Check, meminfo, ok, read, sized, warning

_SMALL_SHARED_MEMORY = 1 << 30


def check_transparent_huge_pages(root: Path) -> Check:
    """Tables with memory "copied" ask for them; without, a lookup misses the TLB more often."""
    name = "transparent huge pages"
    text = read(root / "sys/kernel/mm/transparent_hugepage/enabled")
    if text is None:
        return warning(
            name,
            "this kernel has none",
            'tables with memory "copied" use small pages; use a kernel with huge pages for speed',
        )
    chosen = re.search(r"\[(\w+)\]", text)
    mode = chosen.group(1) if chosen else text
    if mode in ("always", "madvise"):
        return ok(name, mode)
    return warning(
        name,
        f'{mode}: tables with memory "copied" use small pages',
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (as root, on the host)",
    )


def check_reserved_huge_pages(root: Path) -> Check:
    """Tables with memory "huge" take their pages from this pool, and fail when it is too small."""
    name = "reserved huge pages"
    fields = meminfo(root / "proc/meminfo")
    if "HugePages_Total" not in fields:
        return warning(
            name, "this kernel has none", 'do not use memory "huge"; "copied" works without'
        )
    total, free = fields["HugePages_Total"], fields.get("HugePages_Free", 0)
    page = fields.get("Hugepagesize", 0)
    if total == 0:
        return ok(
            name,
            f'none of {sized(page)} (only tables with memory "huge" need them)',
            "for such tables: sysctl vm.nr_hugepages=N (as root, on the host)",
        )
    return ok(name, f"{free} of {total} pages of {sized(page)} free: {sized(free * page)}")


def check_shared_memory(
    root: Path, statvfs: Callable[[Path], os.statvfs_result] = os.statvfs
) -> Check:
    """Servers pass tensors through it (Triton, torch); containers often give 64 MiB."""
    name = "shared memory"
    folder = root / "dev/shm"
    if not folder.is_dir():
        return warning(name, "/dev/shm does not exist", "mount a tmpfs there")
    status = statvfs(folder)
    total = status.f_blocks * status.f_frsize
    free = status.f_bavail * status.f_frsize
    found = f"{sized(free)} of {sized(total)} free"
    if total < _SMALL_SHARED_MEMORY:
        return warning(
            name,
            f"{found}: too small for servers that pass tensors through it",
            "start the container with --shm-size=1g or more, or with --ipc=host",
        )
    return ok(name, found)


def check_numa_nodes(root: Path) -> Check:
    """On several nodes, rows on a far one cost more."""
    name = "NUMA nodes"
    folder = root / "sys/devices/system/node"
    nodes = sorted(
        (path for path in folder.glob("node*") if path.name[4:].isdigit()),
        key=lambda path: int(path.name[4:]),
    )
    if not nodes:
        return ok(name, "one (the kernel lists none)")
    sizes = [meminfo(node / "meminfo").get("MemTotal", 0) for node in nodes]
    found = f"{len(nodes)} ({', '.join(sized(size) for size in sizes)})"
    if len(nodes) == 1:
        return ok(name, found)
    return ok(
        name, found, "for even speed start the server with numactl --interleave=all (or one a node)"
    )
