"""The library as a guest of its process: forks, second copies, preloads, exits."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_trt import native
from hps_trt.native import Service

Make = Callable[..., Any]


def run_python(
    code: str, *arguments: object, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Runs `code` in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",  # `-c` looks for modules in the working directory first
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )


FORKING = """
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: forking with threads
import os, sys
import numpy as np
from hps_trt.native import NativeUserError, Service

path, rows = sys.argv[1], np.load(sys.argv[2])
keys = np.arange(len(rows)).repeat(200)
service = Service.open(path)
service.lookup("m", "t", keys)  # starts the helper threads
child = os.fork()
if child == 0:
    for call in (
        lambda: service.lookup("m", "t", [1]),
        lambda: service.put("m", "t", [1], rows[:1]),
        service.statistics,
        service.reload,
    ):
        try:
            call()
        except NativeUserError as error:
            sys.exit(f"as if it were a mistake in the file: {error}")
        except Exception as error:
            if "opened before fork" not in str(error) or error.code != 8:
                sys.exit(f"another error: {error}")
        else:
            sys.exit("the parent's service answered")
    service.close()
    with Service.open(path) as fresh:
        if not np.array_equal(fresh.lookup("m", "t", keys), rows[keys]):
            sys.exit("wrong rows")
    sys.exit(0)
_, status = os.waitpid(child, 0)
assert np.array_equal(service.lookup("m", "t", keys), rows[keys])
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("threads", [0, 2])
def test_a_forked_child_is_told_opens_afresh_and_exits_quietly(
    make_config: Make, make_rows: Make, tmp_path: Path, threads: int
) -> None:
    rows = make_rows(300, 8)
    np.save(tmp_path / "rows.npy", rows)
    path = make_config(rows, threads=threads)
    done = run_python(FORKING, path, tmp_path / "rows.npy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


FORKING_UNDER_LOAD = """
import os, sys, threading
import numpy as np
from hps_trt.native import Service

path = sys.argv[1]
service = Service.open(path)
stop = threading.Event()

def work():
    while not stop.is_set():
        service.lookup("m", "t", [1, 2])
        service.put("m", "t", [1], np.ones((1, 8), np.float32))
        Service.open(path).close()
        service.reload()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
codes = []
for _ in range(30):
    child = os.fork()
    if child == 0:
        with Service.open(path) as fresh:
            fresh.lookup("m", "t", [1])
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop.set()
for thread in threads:
    thread.join()
sys.exit(0 if codes == [0] * 30 else str(codes))
"""


def test_locks_that_other_threads_held_do_not_stop_a_child(
    make_config: Make, make_rows: Make
) -> None:
    done = run_python(FORKING_UNDER_LOAD, make_config(make_rows(50, 8)))
    errors = [line for line in done.stderr.splitlines() if "DeprecationWarning" not in line]
    assert (done.returncode, [e for e in errors if "os.fork()" not in e]) == (0, [])


EXITING = """
import sys, threading
import numpy as np
from hps_trt.native import Service

service = Service.open(sys.argv[1])
keys = np.arange(100)

def work():
    while True:
        service.lookup("m", "t", keys)

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
service.lookup("m", "t", np.zeros(100000, int))
"""


def test_a_process_may_exit_while_threads_look_up(make_config: Make, make_rows: Make) -> None:
    path = make_config(make_rows(100, 8), threads=2)
    done = run_python(EXITING, path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


TWO_COPIES = """
import ctypes, sys
mode = ctypes.RTLD_GLOBAL if sys.argv[3] == "global" else ctypes.RTLD_LOCAL
first, second = (ctypes.CDLL(path, mode) for path in sys.argv[1:3])

def creators(library):
    count = ctypes.c_int32(-1)
    library.getCreators.restype = ctypes.c_void_p
    library.getCreators(ctypes.byref(count))
    return count.value

def claimed(library):
    return ctypes.c_uint32.in_dll(library, "hps_instance_claimed").value

print(creators(first), creators(second), creators(first), claimed(first), claimed(second))
"""


@pytest.mark.parametrize("mode", ["local", "global"])
def test_a_second_copy_registers_nothing_and_says_so(tmp_path: Path, mode: str) -> None:
    copies = [tmp_path / f"{name}.so" for name in ("first", "second")]
    for copy in copies:
        shutil.copy(native.library_path(), copy)
    done = run_python(TWO_COPIES, *copies, mode)
    assert done.stdout.split() == ["2", "0", "2", "1", "0"]
    assert done.returncode == 0
    assert "registers nothing" in done.stderr
    assert str(copies[0]) in done.stderr


def preloaded(*command: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "LD_PRELOAD": str(native.library_path())}
    environment.pop("HPS_TRT_CONFIG", None)
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=False
    )


def test_a_preload_is_silent() -> None:
    done = preloaded("sh", "-c", "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_preload_starts_no_thread_and_opens_no_file() -> None:
    code = (
        "import os; print(len(os.listdir('/proc/self/task'))); "
        "print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in ('0', '1', '2'))); "
        "print([n for n in range(3, 256) if os.path.exists(f'/proc/self/fd/{n}')])"
    )
    plain = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    done = preloaded(sys.executable, "-S", "-c", code)
    assert done.stderr == ""
    tasks, _, descriptors = done.stdout.splitlines()
    assert tasks == "1"
    assert descriptors == plain.stdout.splitlines()[2]


def test_a_preload_only_reads_libraries(tmp_path: Path) -> None:
    """With strace, where it is installed; the test before this one holds without it."""
    strace = shutil.which("strace")
    log = tmp_path / "strace.txt"
    if (
        strace is None
        or subprocess.run([strace, "-o", log, "true"], capture_output=True).returncode
    ):
        assert preloaded("true").returncode == 0  # tracing is not possible here
        return
    library = str(native.library_path())
    subprocess.run(
        [
            strace,
            "-f",
            "-e",
            "trace=openat,open,clone,clone3,socket,connect,mkdir,unlink,write",
            "-o",
            log,
            "env",
            f"LD_PRELOAD={library}",
            "true",
        ],
        check=True,
        capture_output=True,
    )
    lines = log.read_text().splitlines()
    after = lines[next(i for i, line in enumerate(lines) if library in line) :]
    calls = [line for line in after if "exited" not in line and "O_CLOEXEC) = " in line]
    others = [line for line in after if "exited" not in line and line not in calls]
    assert others == []
    opened = [line.split('"')[1] for line in calls]
    assert all(".so" in name or "locale" in name for name in opened), opened


def test_a_child_of_fork_may_close_its_parents_service(make_config: Make, make_rows: Make) -> None:
    rows = make_rows(5, 4)
    with Service.open(make_config(rows)) as service:
        child = os.fork()
        if child == 0:
            service.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert np.array_equal(service.lookup("m", "t", [4]), rows[[4]])


OPENING_TWICE = """
import sys
from hps_trt.native import Service
first, second = Service.open(sys.argv[1]), Service.open(sys.argv[1])
"""


def test_settings_that_do_nothing_here_are_said_once_in_one_line(
    make_config: Make, make_rows: Make
) -> None:
    tables = make_config(make_rows(20, 4)).parent / "tables"
    model = {
        "model": "m",
        "sparse_files": [str(tables / "t")],
        "embedding_vecsize_per_table": [4],
        "maxnum_catfeature_query_per_table_per_sample": [1],
        "gpucacheper": 0.5,
        "refresh_delay": 1,
    }
    path = tables.parent / "ps.json"
    path.write_text(json.dumps({"supportlonglong": True, "models": [model]}))
    done = run_python(OPENING_TWICE, path)
    assert (done.returncode, done.stdout) == (0, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"hps-trt: {path}: models[0].")
    assert "not needed here (hps-trt config check says why)" in line
