"""What HPS_TRT nodes compute under ONNX Runtime, against a numpy lookup, bit for bit."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from node_tools import (
    BFLOAT16,
    BY_ALL,
    BY_KEPT,
    BY_WEIGHTS,
    DTYPES,
    FLOAT,
    FLOAT16,
    INT32,
    INT64,
    LENGTHS,
    MEAN,
    NONE,
    OFFSETS,
    OFFSETS_LAST,
    PLAIN,
    POOLED,
    SEGMENTS,
    SQRTN,
    SUM,
    Graph,
    Lookup,
    Table,
    expected,
    make_model,
    make_table,
    run,
    same_bits,
    session,
    wrap,
    write_config,
)
from onnx import helper

ROWS, DIM, BATCH = 40, 11, 6
COMBINERS = [
    (SUM, BY_WEIGHTS),
    *((c, d) for c in (MEAN, SQRTN) for d in (BY_WEIGHTS, BY_KEPT, BY_ALL)),
]
LAYOUT_VALUES = {
    OFFSETS: [0, 3, 3, 10, 11, 30],
    OFFSETS_LAST: [0, 3, 3, 10, 11, 30, 33],
    LENGTHS: [3, 0, 7, 1, 19, 6],
    SEGMENTS: [0] * 3 + [2] * 7 + [3] * 1 + [4] * 19 + [5] * 6,
}
IDS = 36


def random_ids(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Ids with unknown ones, negative ones and many -1, which some lookups ignore."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(-ROWS - 4, ROWS + 4, shape)
    return np.where(generator.random(shape) < 0.2, -1, ids)


def feed_for(layout: int) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, list[Any]]]]:
    """Ids of both types, packed and not, weights of all types, and what the layout needs."""
    feed: dict[str, np.ndarray] = {}
    types: dict[str, tuple[int, list[Any]]] = {}

    def add(name: str, element: int, values: np.ndarray) -> None:
        dtype = np.float32 if element == BFLOAT16 else DTYPES[element]
        feed[name] = values.astype(dtype)
        types[name] = (element, [None] * values.ndim)

    shape = {PLAIN: (BATCH, 3), POOLED: (BATCH, 5)}.get(layout, (IDS,))
    for element, name in ((INT32, "i32"), (INT64, "i64")):
        add(f"ids_{name}", element, random_ids(shape, element))
        if layout in (PLAIN, POOLED):
            add(f"packed_{name}", element, random_ids((*shape, 4), element + 1))
    if layout != PLAIN:
        weights = np.random.default_rng(5).integers(-64, 65, shape) / 32
        for element in (FLOAT, FLOAT16, BFLOAT16):
            add(f"weights_{element}", element, weights)
    if layout in LAYOUT_VALUES:
        for element in (INT32, INT64):
            add(f"layout_{element}", element, np.array(LAYOUT_VALUES[layout]))
    if layout == SEGMENTS:
        add("size", FLOAT, np.zeros((BATCH, 1)))
    return feed, types


def all_lookups(layout: int, types: dict[str, Any]) -> list[tuple[Lookup, int]]:
    """Every combination of what a lookup of `layout` may say, each with its own output."""
    ids = [(name, column) for name in types if name.startswith("ids") for column in (-1,)]
    ids += [(name, 2) for name in types if name.startswith("packed")]
    weights = [None, *(name for name in types if name.startswith("weights"))]
    layouts = [name for name in types if name.startswith("layout")] or [None]
    sizes = [(None, -1)] if layout != SEGMENTS else [("size", -1), (None, BATCH)]
    combiners = [(NONE, BY_WEIGHTS)] if layout == PLAIN else COMBINERS
    result = []
    for (name, column), weight, (combiner, divisor), ignored, out, onnx_mode in itertools.product(
        ids, weights, combiners, (None, -1), (FLOAT, FLOAT16, BFLOAT16), (False, True)
    ):
        n = len(result)
        lookup = Lookup(
            "t",
            DIM,
            name,
            output=n,
            column=column,
            layout=layout,
            layout_input=layouts[n % len(layouts)],
            size_input=sizes[n % len(sizes)][0],
            size=sizes[n % len(sizes)][1],
            weights=weight,
            combiner=combiner,
            divisor=divisor,
            ignored=ignored,
            onnx_mode=onnx_mode,
        )
        result.append((lookup, out))
    return result


@pytest.mark.parametrize("layout", [PLAIN, POOLED, OFFSETS, OFFSETS_LAST, LENGTHS, SEGMENTS])
def test_every_combination_of_a_layout(tmp_path: Path, layout: int) -> None:
    table = make_table(ROWS, DIM, default=2.5)
    config = write_config(tmp_path, f"all{layout}", {"t": table})
    feed, types = feed_for(layout)
    pairs = all_lookups(layout, types)
    rank = 3 if layout == PLAIN else 2
    graph = Graph(
        f"all{layout}",
        config,
        types,
        [lookup for lookup, _ in pairs],
        [out for _, out in pairs],
        [rank] * len(pairs),
        unresolved=True,
    )
    *rows, unresolved = run(graph, feed)
    counts = np.zeros(BATCH, np.int32)
    for (lookup, out), got in zip(pairs, rows, strict=True):
        want, missing = expected(lookup, table, out, feed)
        counts += missing.reshape(BATCH, -1).sum(1)
        shape = (BATCH, 3, DIM) if layout == PLAIN else (BATCH, DIM)
        assert same_bits(got, want.reshape(shape)), lookup
    assert unresolved.tolist() == counts.tolist()
    assert len(pairs) >= 24


@pytest.mark.parametrize("kind", ["fp32", "fp16", "bf16", "int8"])
@pytest.mark.parametrize("out", [FLOAT, FLOAT16, BFLOAT16])
@pytest.mark.parametrize("hashed", [False, True])
def test_row_types_and_key_kinds(tmp_path: Path, kind: str, out: int, hashed: bool) -> None:
    keys = np.array([7, -3, 1 << 40, -(1 << 62), 0, 9, 11, 12], np.int64) if hashed else None
    table = make_table(8, 37, kind, keys=keys, default=-1.5)
    config = write_config(tmp_path, f"rows-{kind}-{out}-{hashed}", {"t": table})
    ids = np.array([7, -3, 1 << 40, -(1 << 62), 0, 5, -1, 8, 7], np.int64)
    lookup = Lookup("t", 37, "ids")
    graph = Graph(config.parent.name, config, {"ids": (INT64, [None])}, [lookup], [out], [2])
    graph.model = f"rows-{kind}-{out}-{hashed}"
    want, _ = expected(lookup, table, out, {"ids": ids})
    assert same_bits(run(graph, {"ids": ids})[0], want)


def test_rows_of_the_same_type_keep_every_bit(tmp_path: Path) -> None:
    bits = np.array([[0x7F800001, 0xFFC12345, 0x80000000, 1, 0x7F800000]], np.uint32)
    config = write_config(tmp_path, "bits", {"t": Table(bits.view(np.float32))})
    graph = Graph("bits", config, {"ids": (INT32, [None])}, [Lookup("t", 5, "ids")], [FLOAT], [2])
    (got,) = run(graph, {"ids": np.array([0], np.int32)})
    assert got.tobytes() == bits.tobytes()


def test_column_blocks_of_one_output(tmp_path: Path) -> None:
    tables = {f"t{i}": make_table(30, 3 + i, seed=i) for i in range(3)}
    config = write_config(tmp_path, "blocks", tables)
    lookups = [
        Lookup("t2", 5, "ids", column=2, output_column=7),
        Lookup("t0", 3, "ids", column=0, output_column=0),
        Lookup("t1", 4, "bag", layout=POOLED, combiner=MEAN, output_column=3),
    ]
    types = {"ids": (INT64, [None, 3]), "bag": (INT32, [None, 4])}
    graph = Graph("blocks", config, types, lookups, [FLOAT], [2])
    generator = np.random.default_rng(1)
    feed = {
        "ids": generator.integers(0, 30, (9, 3)),
        "bag": generator.integers(0, 30, (9, 4), dtype=np.int32),
    }
    parts = [expected(lookups[i], tables[f"t{t}"], FLOAT, feed)[0] for t, i in ((0, 1), (1, 2))]
    parts.append(expected(lookups[0], tables["t2"], FLOAT, feed)[0])
    assert same_bits(run(graph, feed)[0], np.concatenate(parts, 1))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3, 4), (0, 5), (5, 0)])
def test_ids_of_any_rank(tmp_path: Path, shape: tuple[int, ...]) -> None:
    table = make_table(20, 4)
    config = write_config(tmp_path, "ranks", {"t": table})
    types = {"ids": (INT64, [None] * len(shape))}
    lookup = Lookup("t", 4, "ids")
    graph = Graph("ranks", config, types, [lookup], [FLOAT], [len(shape) + 1], unresolved=True)
    ids = np.asarray(np.random.default_rng(2).integers(0, 25, shape), np.int64)
    rows, unresolved = run(graph, {"ids": ids})
    assert same_bits(rows, expected(lookup, table, FLOAT, {"ids": ids})[0].reshape(*shape, 4))
    samples = shape[0] if shape else 1
    want = (ids >= 20).reshape(samples, -1).sum(1) if ids.size else np.zeros(samples)
    assert unresolved.tolist() == want.tolist()


def test_empty_batches_of_bags(tmp_path: Path) -> None:
    config = write_config(tmp_path, "empty", {"t": make_table(20, 4)})
    for layout, count in ((OFFSETS, 0), (OFFSETS_LAST, 1), (LENGTHS, 0)):
        lookup = Lookup("t", 4, "ids", layout=layout, layout_input="x", combiner=SUM)
        types = {"ids": (INT64, [None]), "x": (INT64, [None])}
        graph = Graph("empty", config, types, [lookup], [FLOAT], [2])
        feed = {"ids": np.zeros(0, np.int64), "x": np.zeros(count, np.int64)}
        assert run(graph, feed)[0].shape == (0, 4)


def test_matches_onnx_gather_where_gather_is_defined(tmp_path: Path) -> None:
    table = make_table(50, 8)
    config = write_config(tmp_path, "gather", {"t": table})
    ids = np.random.default_rng(3).integers(-50, 50, (7, 6))
    lookup = Lookup("t", 8, "ids", onnx_mode=True)
    graph = Graph("gather", config, {"ids": (INT64, [None, 6])}, [lookup], [FLOAT], [3])
    model = make_model(graph)
    gather = wrap(
        [helper.make_node("Gather", ["w", "ids"], ["out0"])], model.graph.input, model.graph.output
    )
    gather.graph.initializer.append(
        helper.make_tensor("w", FLOAT, [50, 8], table.rows.tobytes(), raw=True)
    )
    want = session(gather).run(None, {"ids": ids})[0]
    assert same_bits(session(model).run(None, {"ids": ids})[0], want)


def test_large_batches_on_several_threads(tmp_path: Path) -> None:
    tables = {f"t{i}": make_table(1000, 32, seed=i) for i in range(5)}
    config = write_config(tmp_path, "large", tables)
    lookups = [Lookup(f"t{i}", 32, "ids", column=i, output=i) for i in range(5)]
    graph = Graph("large", config, {"ids": (INT64, [None, 5])}, lookups, [FLOAT] * 5, [2] * 5)
    ids = np.random.default_rng(4).integers(0, 1000, (20000, 5))
    for threads in (1, 3):
        for i, got in enumerate(run(graph, {"ids": ids}, threads)):
            assert same_bits(got, tables[f"t{i}"].rows[ids[:, i]])
