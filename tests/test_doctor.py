"""The doctor, on machines made of files."""

import argparse
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from hps_trt import doctor
from hps_trt.cli import doctor as command
from hps_trt.doctor import limits, memory, software
from hps_trt.doctor.report import Check, meminfo, ok, problem, sized, warning

GIB = 1 << 30


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


# --- memory -----------------------------------------------------------------------------------

THP = "sys/kernel/mm/transparent_hugepage/enabled"


@pytest.mark.parametrize(
    ("text", "status", "found"),
    [
        ("[always] madvise never\n", "ok", "always"),
        ("always [madvise] never\n", "ok", "madvise"),
        ("always madvise [never]\n", "warning", "never"),
    ],
)
def test_transparent_huge_pages(tmp_path, text, status, found):
    check = memory.check_transparent_huge_pages(machine(tmp_path, {THP: text}))
    assert check.status == status
    assert found in check.found
    assert bool(check.mend) == (status != "ok")


def test_transparent_huge_pages_missing(tmp_path):
    assert memory.check_transparent_huge_pages(tmp_path).status == "warning"


def test_reserved_huge_pages(tmp_path):
    text = "HugePages_Total:      10\nHugePages_Free:        4\nHugepagesize:       2048 kB\n"
    check = memory.check_reserved_huge_pages(machine(tmp_path, {"proc/meminfo": text}))
    assert check == ok("reserved huge pages", "4 of 10 pages of 2.0 MiB free: 8.0 MiB")
    none = text.replace("10", "0").replace("   4", "   0")
    check = memory.check_reserved_huge_pages(machine(tmp_path, {"proc/meminfo": none}))
    assert check.status == "ok" and "vm.nr_hugepages" in check.mend
    check = memory.check_reserved_huge_pages(machine(tmp_path, {"proc/meminfo": "MemFree: 1 kB"}))
    assert check.status == "warning"


@pytest.mark.parametrize(("size", "status"), [(64 << 20, "warning"), (GIB, "ok")])
def test_shared_memory(tmp_path, size, status):
    (tmp_path / "dev/shm").mkdir(parents=True)
    statvfs = SimpleNamespace(f_blocks=size // 4096, f_bavail=size // 8192, f_frsize=4096)
    check = memory.check_shared_memory(tmp_path, lambda path: statvfs)
    assert check.status == status
    assert check.found.startswith(f"{sized(size // 2)} of {sized(size)} free")


def test_shared_memory_missing(tmp_path):
    assert memory.check_shared_memory(tmp_path).status == "warning"


def test_numa_nodes(tmp_path):
    assert memory.check_numa_nodes(tmp_path).found == "one (the kernel lists none)"
    for node in (0, 1, 10):
        text = f"Node {node} MemTotal:       {GIB // 1024} kB\nNode {node} MemFree: 5 kB\n"
        machine(tmp_path, {f"sys/devices/system/node/node{node}/meminfo": text})
    check = memory.check_numa_nodes(tmp_path)
    assert check.found == "3 (1.0 GiB, 1.0 GiB, 1.0 GiB)"
    assert "numactl" in check.mend and check.status == "ok"


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soft", "status", "found"),
    [
        ("unlimited", "ok", "unlimited"),
        ("8388608", "warning", "at most 8.0 MiB"),
        (str(GIB), "ok", "at most 1.0 GiB"),
    ],
)
def test_locked_memory(tmp_path, soft, status, found):
    text = (
        "Limit                     Soft Limit           Hard Limit           Units\n"
        f"Max locked memory         {soft:<20} unlimited            bytes\n"
    )
    check = limits.check_locked_memory(machine(tmp_path, {"proc/self/limits": text}))
    assert (check.status, check.found) == (status, found)


def test_locked_memory_unreadable(tmp_path):
    assert limits.check_locked_memory(tmp_path).status == "warning"


MEMINFO = {"proc/meminfo": f"MemTotal: {64 * GIB // 1024} kB\n"}


@pytest.mark.parametrize(
    ("files", "status", "found"),
    [
        ({}, "ok", "none (64.0 GiB in the machine)"),
        ({"proc/self/cgroup": "0::/a/b\n"}, "ok", "none (64.0 GiB in the machine)"),
        (
            {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"},
            "ok",
            "none (64.0 GiB in the machine)",
        ),
        (  # the limit of an outer group counts
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.max": f"{8 * GIB}\n",
            },
            "ok",
            "8.0 GiB of 64.0 GiB (cgroup)",
        ),
        (  # in a container the root of what is mounted is the group itself
            {"proc/self/cgroup": "0::/gone\n", "sys/fs/cgroup/memory.max": f"{GIB // 2}\n"},
            "warning",
            "512.0 MiB of 64.0 GiB (cgroup)",
        ),
        (  # version 1
            {
                "proc/self/cgroup": "12:cpu,cpuacct:/x\n5:memory:/docker/1\n",
                "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": f"{4 * GIB}\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            "ok",
            "4.0 GiB of 64.0 GiB (cgroup)",
        ),
        (
            {
                "proc/self/cgroup": "5:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            "ok",
            "none (64.0 GiB in the machine)",
        ),
        (  # a path that climbs out is not followed
            {"proc/self/cgroup": "0::/../../..\n", "memory.max": "1\n"},
            "ok",
            "none (64.0 GiB in the machine)",
        ),
    ],
)
def test_memory_limit(tmp_path, files, status, found):
    check = limits.check_memory_limit(machine(tmp_path, files | MEMINFO))
    assert (check.status, check.found) == (status, found)


STATUS = {"proc/self/status": "Name: x\nCpus_allowed_list:\t0-3,8\n"}


@pytest.mark.parametrize(
    ("files", "status", "found"),
    [
        ({}, "ok", "none (5 CPUs allowed)"),
        (
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
            "ok",
            "none (5 CPUs allowed)",
        ),
        (
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"},
            "ok",
            "2.5 of 5 CPUs (cgroup)",
        ),
        (
            {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"},
            "warning",
            "0.5 of 5 CPUs (cgroup): lookups are stopped between slices",
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            "ok",
            "2.0 of 5 CPUs (cgroup)",
        ),
        (
            {
                "proc/self/cgroup": "4:cpu:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            "ok",
            "none (5 CPUs allowed)",
        ),
    ],
)
def test_cpu_limit(tmp_path, files, status, found):
    check = limits.check_cpu_limit(machine(tmp_path, files | STATUS))
    assert (check.status, check.found) == (status, found)


# --- software ---------------------------------------------------------------------------------


def test_library_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("HPS_TRT_LIBRARY", str(tmp_path / "none.so"))
    check = software.check_library()
    assert check.status == "problem"
    assert "none.so" in check.found and "HPS_TRT_LIBRARY" in check.mend


def test_library_broken(tmp_path, monkeypatch):
    (tmp_path / "bad.so").write_text("not a library")
    monkeypatch.setenv("HPS_TRT_LIBRARY", str(tmp_path / "bad.so"))
    assert software.check_library().status == "problem"


@pytest.mark.parametrize(
    ("version", "status"),
    [(None, "problem"), ("1.17.3", "problem"), ("1.18.0", "ok"), ("2.0", "ok")],
)
def test_onnxruntime(version, status):
    check = software.check_onnxruntime(lambda *names: version)
    assert check.status == status
    assert bool(check.mend) == (status != "ok")


def test_onnxruntime_of_this_environment():
    assert software.check_onnxruntime().status == "ok"


@pytest.mark.parametrize(
    ("driver", "status", "part"),
    [
        (software.Driver(None, "libcuda.so.1 is not installed"), "warning", "no NVIDIA driver"),
        (software.Driver((13, 0), "cuInit failed with CUresult 100"), "warning", "CUresult 100"),
        (software.Driver((13, 0)), "warning", "none is visible"),
        (software.Driver((13, 0), "", ("H200",)), "ok", "driver serves CUDA 13.0; H200"),
    ],
)
def test_gpu(driver, status, part):
    check = software.check_gpu(lambda: driver)
    assert check.status == status
    assert part in check.found


def test_probing_the_driver_never_raises():
    driver = software.probe_driver()
    assert driver.error or driver.cuda is not None


def test_tensorrt():
    def find(module, *names):
        return "11.4.0" if "tensorrt_lean_cu13" in names else None

    check = software.check_tensorrt(find, {"libnvinfer.so.10": "10.15.1"}.get)
    assert check == ok("TensorRT", "tensorrt_lean 11.4.0 (Python), libnvinfer.so.10 10.15.1")
    check = software.check_tensorrt(lambda *names: None, lambda name: None)
    assert check.status == "warning" and "pip install tensorrt" in check.mend


# --- together ---------------------------------------------------------------------------------


def test_every_check_runs_on_an_empty_machine(tmp_path):
    checks = doctor.run_checks(tmp_path)
    assert len({check.name for check in checks}) == len(checks) == 11
    assert all(check.mend for check in checks if check.status != "ok")


def test_every_check_runs_on_this_machine():
    checks = {check.name: check for check in doctor.run_checks()}
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert sized(size) in checks["memory limit"].found
    assert not any("could not be found out" in check.found for check in checks.values())


def test_garbage_files_are_warnings(tmp_path):
    machine(tmp_path, {"proc/self/status": "Cpus_allowed_list:\tx-y\n"})
    checks = {check.name: check for check in doctor.run_checks(tmp_path)}
    assert checks["CPU limit"].status == "warning"
    assert "could not be found out" in checks["CPU limit"].found


def test_a_warning_does_not_stop_the_host_tier():
    assert doctor.host_tier_works((ok("a", "x"), warning("b", "x", "y")))
    assert not doctor.host_tier_works((ok("a", "x"), problem("b", "x", "y")))


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["doctor", *arguments])
    return parsed.run(parsed)


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("problem", 1)])
def test_command(monkeypatch, capsys, status, code):
    monkeypatch.setenv("COLUMNS", "200")
    checks = (Check("pages", status, "[found]", "do this"),)
    monkeypatch.setattr(doctor, "run_checks", lambda: checks)
    assert run() == code
    out = capsys.readouterr().out
    for word in ("pages", status, "[found]", "do this"):
        assert word in out
    assert run("--json") == code
    assert json.loads(capsys.readouterr().out) == {
        "host_tier_works": code == 0,
        "checks": [{"name": "pages", "status": status, "found": "[found]", "mend": "do this"}],
    }


def test_meminfo_reads_counts_and_sizes(tmp_path):
    machine(tmp_path, {"m": "A: 3\nB:  2 kB\nnonsense\nNode 1 C: 1 kB\nD: x\n"})
    assert meminfo(tmp_path / "m") == {"A": 3, "B": 2048, "C": 1024}
