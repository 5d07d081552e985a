"""Lookups in ONNX Runtime: one HPS_TRT node against the Gathers it replaces, in the same process.

Both graphs get the same ids and write into the same preallocated outputs; their runs alternate, so
that both see the same machine. Printed are medians, 10th and 90th percentiles, and the ratio of the
medians (below 1: the node is faster), once for tables that fit the last-level cache and once for
tables that exceed it.

    HPS_TRT_LIBRARY=.../libhps_plugin.so python benchmarks/bench_onnxruntime.py [--runs 200]
"""

import argparse
import json
import os
import platform
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from hps_trt.native import library_path


@dataclass(frozen=True)
class Case:
    """One comparison: `tables` tables of `rows` x `dim`, `batch` ids each."""

    name: str
    tables: int
    rows: int
    dim: int
    batch: int

    @property
    def table_bytes(self) -> int:
        """Bytes of all tables, fp32."""
        return self.tables * self.rows * self.dim * 4


def write_tables(case: Case, folder: Path) -> Path:
    """Writes the tables and their hps.json; returns its path."""
    generator = np.random.default_rng(1)
    entries = []
    for i in range(case.tables):
        place = folder / f"t{i}"
        place.mkdir(parents=True)
        rows = generator.standard_normal((case.rows, case.dim), dtype=np.float32)
        (place / "emb_vector").write_bytes(rows.tobytes())
        (place / "key").write_bytes(np.arange(case.rows, dtype=np.int64).tobytes())
        entries.append(
            {"name": f"t{i}", "path": f"t{i}", "rows": case.rows, "dim": case.dim, "type": "fp32",
             "keys": "dense"}
        )  # fmt: skip
    path = folder / "hps.json"
    model = {"name": case.name, "tables": entries}
    path.write_text(json.dumps({"format": "hps-trt/1", "models": [model]}))
    return path


def model_of(case: Case, nodes: list[onnx.NodeProto], folder: Path | None) -> onnx.ModelProto:
    """`nodes` between the ids and the outputs; initializers lie in `folder` as external data."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        case.name,
        [value(f"ids{i}", TensorProto.INT64, ["B"]) for i in range(case.tables)],
        [value(f"out{i}", TensorProto.FLOAT, ["B", case.dim]) for i in range(case.tables)],
    )
    for i in range(case.tables if folder else 0):
        tensor = graph.initializer.add()
        tensor.name, tensor.data_type = f"w{i}", TensorProto.FLOAT
        tensor.dims.extend([case.rows, case.dim])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=f"t{i}/emb_vector")
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("hps_trt", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def gathers(case: Case) -> list[onnx.NodeProto]:
    """What the framework exported."""
    return [
        helper.make_node("Gather", [f"w{i}", f"ids{i}"], [f"out{i}"]) for i in range(case.tables)
    ]


def lookup_node(case: Case, config: Path) -> onnx.NodeProto:
    """The one node that replaces them."""
    n = case.tables
    node = helper.make_node(
        "HPS_TRT",
        [f"ids{i}" for i in range(n)],
        [f"out{i}" for i in range(n)],
        domain="hps_trt",
    )
    attributes: dict[str, str | int | list[int]] = {
        "plugin_version": "2",
        "config_file": str(config),
        "bundle_id": "-",
        "model_name": case.name,
        "tables": "\n".join(f"t{i}" for i in range(n)),
        "input_types": [TensorProto.INT64] * n,
        "output_types": [TensorProto.FLOAT] * n,
        "dims": [case.dim] * n,
        "ids_inputs": list(range(n)),
        "outputs": list(range(n)),
        "index_modes": [1] * n,
        "unresolved_output": 0,
    }
    for name in ("ids_columns", "layout_inputs", "size_inputs", "sizes", "weights_inputs"):
        attributes[name] = [-1] * n
    for name in ("layouts", "combiners", "divisors", "has_ignored_ids", "ignored_ids"):
        attributes[name] = [0] * n
    attributes["output_columns"] = [0] * n
    for name, value in attributes.items():
        node.attribute.append(helper.make_attribute(name, value))
    return node


def open_session(model: onnx.ModelProto, path: Path, threads: int) -> ort.InferenceSession:
    """A CPU session; 0 threads is ONNX Runtime's default."""
    path.write_bytes(model.SerializeToString())
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(library_path()))
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Runner:
    """One session bound to shared ids and outputs."""

    def __init__(self, session: ort.InferenceSession, outputs: list[np.ndarray]) -> None:
        self.session = session
        self.outputs = outputs
        self.times: list[float] = []

    def run(self, ids: list[np.ndarray]) -> None:
        """One timed run."""
        binding = self.session.io_binding()
        for i, values in enumerate(ids):
            binding.bind_cpu_input(f"ids{i}", values)
        for i, values in enumerate(self.outputs):
            binding.bind_output(f"out{i}", "cpu", 0, np.float32, values.shape, values.ctypes.data)
        begin = time.perf_counter()
        self.session.run_with_iobinding(binding)
        self.times.append(time.perf_counter() - begin)

    def summary(self) -> str:
        """Median and percentiles in microseconds."""
        low, median, high = (1e6 * x for x in np.percentile(self.times, [10, 50, 90]))
        return f"{median:9.1f} us (p10 {low:.1f}, p90 {high:.1f})"


def compare(case: Case, runs: int, threads: int, folder: Path) -> float:
    """Prints both sides of one case; returns node / Gather."""
    config = write_tables(case, folder)
    generator = np.random.default_rng(2)
    outputs = [np.empty((case.batch, case.dim), np.float32) for _ in range(case.tables)]
    original = open_session(model_of(case, gathers(case), folder), folder / "a.onnx", threads)
    nodes = [lookup_node(case, config)]
    replaced = open_session(model_of(case, nodes, None), folder / "b.onnx", threads)
    sides = [Runner(original, outputs), Runner(replaced, outputs)]
    for run in range(runs + 10):
        ids = [generator.integers(0, case.rows, case.batch) for _ in range(case.tables)]
        results = []
        for side in sides if run % 2 else reversed(sides):
            outputs[0].fill(np.nan)
            side.run(ids)
            results.append([values[:: max(1, case.batch // 8)].copy() for values in outputs])
        if not all(np.array_equal(a, b) for a, b in zip(*results, strict=True)):
            raise SystemExit(f"{case.name}: the rows differ")
    for side in sides:
        del side.times[:10]
    ratio = float(np.median(sides[1].times) / np.median(sides[0].times))
    lookups = case.tables * case.batch / np.median(sides[1].times) / 1e6
    print(f"{case.name}: {case.tables} tables of {case.rows} x {case.dim} fp32", end="")
    print(f" ({case.table_bytes / 1e6:.0f} MB), batch {case.batch}, {runs} runs each")
    print(f"  {case.tables} Gathers  {sides[0].summary()}")
    print(f"  HPS_TRT node {sides[1].summary()}  {lookups:.0f} M lookups/s")
    print(f"  ratio        {ratio:.3f}", flush=True)
    return ratio


def cache_bytes() -> str:
    """Size of the last-level cache as the kernel tells it."""
    path = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
    return path.read_text().strip() if path.exists() else "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--threads", type=int, default=0, help="0: ONNX Runtime's default")
    parser.add_argument("--rows", type=int, default=40000, help="of the tables beyond the cache")
    args = parser.parse_args()
    print(f"onnxruntime {ort.__version__}, {platform.machine()}, {os.cpu_count()} CPUs,", end=" ")
    print(f"last-level cache {cache_bytes()}, threads {args.threads or 'default'}")
    cases = [
        Case("small", 26, 1000, 16, 1),
        Case("narrow", 26, 1000, 16, 1024),
        Case("in_cache", 26, 1000, 128, 1024),
        Case("beyond_cache", 26, args.rows, 128, 1024),
    ]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            compare(case, args.runs, args.threads, Path(folder))


if __name__ == "__main__":
    main()
