"""Models for the benchmarks: tables in an external data file, as exporters write large ones."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

BLOCK_BYTES = 64 << 20


def write_model(folder: Path, tables: int, rows: int, dim: int, seed: int = 0) -> Path:
    """Writes `folder`/model.onnx with `tables` fp32 tables of `rows` x `dim` in model.onnx.data.

    Rows are ordinary random numbers; one block is drawn and repeated with a counter in it, because
    drawing gigabytes would take longer than what is measured.
    """
    data = folder / "model.onnx.data"
    table_bytes = rows * dim * 4
    generator = np.random.default_rng(seed)
    block = generator.standard_normal(BLOCK_BYTES // 4, np.float32)
    with data.open("wb") as file:
        remaining = tables * table_bytes
        number = 0
        while remaining:
            block[0] = number
            number += 1
            count = min(remaining, BLOCK_BYTES)
            file.write(memoryview(block).cast("B")[:count])
            remaining -= count
    initializers = []
    nodes = []
    for table in range(tables):
        tensor = TensorProto(name=f"table_{table}.weight", data_type=TensorProto.FLOAT)
        tensor.dims.extend([rows, dim])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (
            ("location", data.name),
            ("offset", str(table * table_bytes)),
            ("length", str(table_bytes)),
        ):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        initializers.append(tensor)
        nodes.append(
            helper.make_node("Gather", [tensor.name, f"ids_{table}"], [f"rows_{table}"], axis=0)
        )
    nodes.append(
        helper.make_node("Concat", [f"rows_{table}" for table in range(tables)], ["out"], axis=1)
    )
    graph = helper.make_graph(
        nodes,
        "benchmark",
        [
            helper.make_tensor_value_info(f"ids_{table}", TensorProto.INT64, ["batch"])
            for table in range(tables)
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", tables * dim])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path


def shape_of(gigabytes: float) -> tuple[int, int, int]:
    """Tables, rows and dim that make about so many GB (10^9 bytes)."""
    tables, dim = 4, 128
    return tables, max(1, round(gigabytes * 1e9 / (tables * dim * 4))), dim
