"""Table folders, hps.json and graphs of HPS_TRT nodes, all written by hand.

`Lookup` is one lookup of a version "2" node; `make_model` writes the node and `expected` is what
plugin_src/OPERATOR.md says it gives, in numpy, one id at a time.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from hps_trt.native import library_path

FLOAT, FLOAT16, BFLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
INT32, INT64 = TensorProto.INT32, TensorProto.INT64
PLAIN, POOLED, OFFSETS, OFFSETS_LAST, LENGTHS, SEGMENTS = range(6)
NONE, SUM, MEAN, SQRTN = range(4)
BY_WEIGHTS, BY_KEPT, BY_ALL = range(3)

DTYPES: dict[int, Any] = {
    FLOAT: np.float32,
    FLOAT16: np.float16,
    BFLOAT16: ml_dtypes.bfloat16,
    INT32: np.int32,
    INT64: np.int64,
}
ROW_TYPES = {"fp32": np.float32, "fp16": np.float16, "bf16": ml_dtypes.bfloat16, "int8": np.int8}


@dataclass(frozen=True)
class Table:
    """Rows of one table; `keys` None means 0..rows-1, `scale` belongs to int8."""

    rows: np.ndarray
    type: str = "fp32"
    keys: np.ndarray | None = None
    scale: np.ndarray | None = None
    default: float = 0.0
    unknown: str = "default"

    @property
    def dim(self) -> int:
        """Elements per row."""
        return int(self.rows.shape[1])

    def row(self, key: int) -> np.ndarray | None:
        """The row of `key` as fp32, or None."""
        if self.keys is None:
            place = key if 0 <= key < len(self.rows) else None
        else:
            found = np.flatnonzero(self.keys == key)
            place = int(found[0]) if len(found) else None
        if place is None:
            return None
        wide = self.rows[place].astype(np.float32)
        return wide if self.scale is None else wide * self.scale[place]


def make_table(rows: int, dim: int, kind: str = "fp32", seed: int = 0, **options: Any) -> Table:
    """Random rows of any type."""
    generator = np.random.default_rng(seed)
    if kind == "int8":
        values = generator.integers(-128, 128, (rows, dim)).astype(np.int8)
        scale = generator.random(rows, dtype=np.float32) + np.float32(0.01)
        return Table(values, kind, scale=scale, **options)
    values = generator.standard_normal((rows, dim)).astype(np.float32)
    return Table(values.astype(ROW_TYPES[kind]), kind, **options)


def write_config(folder: Path, model: str, tables: Mapping[str, Table]) -> Path:
    """Writes the tables and an hps.json without checksums; returns its path."""
    entries = []
    for name, table in tables.items():
        place = folder / "tables" / name
        place.mkdir(parents=True, exist_ok=True)
        keys = np.arange(len(table.rows)) if table.keys is None else table.keys
        (place / "key").write_bytes(keys.astype(np.int64).tobytes())
        (place / "emb_vector").write_bytes(table.rows.tobytes())
        if table.scale is not None:
            (place / "scale").write_bytes(table.scale.astype(np.float32).tobytes())
        entries.append(
            {
                "name": name,
                "path": f"tables/{name}",
                "rows": len(table.rows),
                "dim": table.dim,
                "type": table.type,
                "keys": "dense" if table.keys is None else "hashed",
                "default": table.default,
                "unknown": table.unknown,
            }
        )
    path = folder / "hps.json"
    text = {"format": "hps-trt/1", "models": [{"name": model, "tables": entries}]}
    path.write_text(json.dumps(text))
    return path


@dataclass(frozen=True)
class Lookup:
    """One lookup; inputs are names of graph inputs."""

    table: str
    dim: int
    ids: str
    output: int = 0
    column: int = -1
    layout: int = PLAIN
    layout_input: str | None = None
    size_input: str | None = None
    size: int = -1
    weights: str | None = None
    combiner: int = NONE
    divisor: int = BY_WEIGHTS
    ignored: int | None = None
    onnx_mode: bool = False
    output_column: int = 0


@dataclass
class Graph:
    """A graph of one node over named inputs: name -> (element type, shape of the graph input)."""

    model: str
    config: Path | str
    inputs: dict[str, tuple[int, Sequence[int | str | None]]]
    lookups: Sequence[Lookup]
    output_types: Sequence[int]
    output_ranks: Sequence[int]
    unresolved: bool = False
    changes: dict[str, Any] = field(default_factory=dict)  #: attributes set last; None removes

    def attributes(self) -> dict[str, Any]:
        """The node's attributes, as OPERATOR.md lists them."""
        place = {name: i for i, name in enumerate(self.inputs)} | {None: -1}
        ls = self.lookups
        result: dict[str, Any] = {
            "plugin_version": "2",
            "config_file": str(self.config),
            "bundle_id": "-",
            "model_name": self.model,
            "tables": "\n".join(x.table for x in ls),
            "input_types": [element for element, _ in self.inputs.values()],
            "output_types": list(self.output_types),
            "dims": [x.dim for x in ls],
            "ids_inputs": [place[x.ids] for x in ls],
            "ids_columns": [x.column for x in ls],
            "layouts": [x.layout for x in ls],
            "layout_inputs": [place[x.layout_input] for x in ls],
            "size_inputs": [place[x.size_input] for x in ls],
            "sizes": [x.size for x in ls],
            "weights_inputs": [place[x.weights] for x in ls],
            "combiners": [x.combiner for x in ls],
            "divisors": [x.divisor for x in ls],
            "has_ignored_ids": [int(x.ignored is not None) for x in ls],
            "ignored_ids": [x.ignored or 0 for x in ls],
            "index_modes": [int(x.onnx_mode) for x in ls],
            "outputs": [x.output for x in ls],
            "output_columns": [x.output_column for x in ls],
            "unresolved_output": int(self.unresolved),
        }
        result.update(self.changes)
        return {name: value for name, value in result.items() if value is not None}


def make_model(graph: Graph, domain: str = "hps_trt") -> onnx.ModelProto:
    """The graph as a model. bf16 tensors are cast at the border: numpy has no bf16."""
    nodes, inputs, outputs, inner = [], [], [], []
    names = {}
    for name, (element, shape) in graph.inputs.items():
        outer = FLOAT if element == BFLOAT16 else element
        inputs.append(helper.make_tensor_value_info(name, outer, list(shape)))
        names[name] = name
        if element == BFLOAT16:
            names[name] = f"{name}_bf16"
            nodes.append(helper.make_node("Cast", [name], [names[name]], to=BFLOAT16))
    results = []
    for i, (element, rank) in enumerate(zip(graph.output_types, graph.output_ranks, strict=True)):
        shape = [None] * rank
        results.append(f"out{i}")
        if element == BFLOAT16:
            results[-1] = f"out{i}_bf16"
            inner.append(helper.make_tensor_value_info(results[-1], BFLOAT16, shape))
        outer = FLOAT if element == BFLOAT16 else element
        outputs.append(helper.make_tensor_value_info(f"out{i}", outer, shape))
    if graph.unresolved:
        results.append("unresolved")
        outputs.append(helper.make_tensor_value_info("unresolved", INT32, [None]))
    node = helper.make_node("HPS_TRT", [names[n] for n in graph.inputs], results, domain=domain)
    for name, attribute in graph.attributes().items():  # "outputs" is an argument of make_node
        node.attribute.append(helper.make_attribute(name, attribute))
    nodes.append(node)
    for i, element in enumerate(graph.output_types):
        if element == BFLOAT16:
            nodes.append(helper.make_node("Cast", [f"out{i}_bf16"], [f"out{i}"], to=FLOAT))
    return wrap(nodes, inputs, outputs, inner)


def wrap(nodes: Any, inputs: Any, outputs: Any, inner: Any = ()) -> onnx.ModelProto:
    """A model of opset 17 and IR version 9, which onnxruntime 1.17 reads."""
    made = helper.make_graph(nodes, "g", inputs, outputs, value_info=list(inner))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("hps_trt", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=9)


def session(model: onnx.ModelProto, threads: int = 0) -> ort.InferenceSession:
    """A CPU session with the library registered."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.register_custom_ops_library(str(library_path()))
    data = model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(graph: Graph, feed: Mapping[str, np.ndarray], threads: int = 0) -> list[np.ndarray]:
    """All outputs of one run; bf16 ones come widened to fp32."""
    return session(make_model(graph), threads).run(None, dict(feed))


def bags_of(lookup: Lookup, ids: np.ndarray, feed: Mapping[str, np.ndarray]) -> list[range]:
    """The flat positions of every bag's ids; for layout 0 one per id."""
    count = ids.size
    if lookup.layout == PLAIN:
        return [range(i, i + 1) for i in range(count)]
    if lookup.layout == POOLED:
        bags = int(np.prod(ids.shape[:-1]))
        return [range(i * ids.shape[-1], (i + 1) * ids.shape[-1]) for i in range(bags)]
    given = [int(x) for x in feed[lookup.layout_input or ""]]
    if lookup.layout == OFFSETS:
        given.append(count)
    if lookup.layout in (OFFSETS, OFFSETS_LAST):
        return [range(a, b) for a, b in itertools.pairwise(given)]
    if lookup.layout == LENGTHS:
        ends = np.cumsum([0, *given]).tolist()
        return [range(a, b) for a, b in itertools.pairwise(ends)]
    size = lookup.size if lookup.size_input is None else len(feed[lookup.size_input])
    first = [int(np.searchsorted(given, s)) for s in range(size + 1)]
    return [range(a, b) for a, b in itertools.pairwise(first)]


def divide(lookup: Lookup, bag: range, kept: list[int], weights: list[np.float32]) -> np.float32:
    """The divisor of a bag, in fp32."""
    root = lookup.combiner == SQRTN
    amount = np.float32(0)
    for weight in weights:
        amount += weight * weight if root else weight
    if lookup.divisor == BY_KEPT:
        amount = np.float32(len(kept))
    elif lookup.divisor == BY_ALL:
        amount = np.float32(len(bag))
    return np.sqrt(amount) if root else amount


def expected(
    lookup: Lookup, table: Table, out_type: int, feed: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one lookup ([bags, dim], in the output's type) and its unresolved ids per bag."""
    ids = feed[lookup.ids]
    if lookup.column >= 0:
        ids = ids[..., lookup.column]
    flat = ids.reshape(-1)
    weights = None if lookup.weights is None else feed[lookup.weights].reshape(-1)
    bags = bags_of(lookup, ids, feed)
    rows = np.zeros((len(bags), lookup.dim), np.float32)
    missing = np.zeros(len(bags), np.int32)
    for b, bag in enumerate(bags):
        kept, used = [], []
        for i in bag:
            key = int(flat[i])
            if key == lookup.ignored:
                continue
            if lookup.onnx_mode and -len(table.rows) <= key < 0:
                key += len(table.rows)
            row = table.row(key)
            missing[b] += row is None
            if row is None:
                row = np.full(lookup.dim, table.default, np.float32)
            weight = np.float32(1) if weights is None else np.float32(weights[i])
            rows[b] = row if lookup.layout == PLAIN else rows[b] + weight * row
            kept.append(i)
            used.append(weight)
        if kept and lookup.combiner in (MEAN, SQRTN):
            with np.errstate(all="ignore"):
                rows[b] /= divide(lookup, bag, kept, used)
    return rows.astype(DTYPES[out_type]), missing


def same_bits(got: np.ndarray, want: np.ndarray) -> bool:
    """Equal shapes and bytes; `want` of type bf16 is compared as the fp32 it widens to."""
    if want.dtype == ml_dtypes.bfloat16:
        want = want.astype(np.float32)
    return got.shape == want.shape and got.dtype == want.dtype and got.tobytes() == want.tobytes()
