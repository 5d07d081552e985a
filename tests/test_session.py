"""Sessions over bundles: made-up inputs, comparisons, and running a bundle in ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hps_trt import bundle, surgery
from hps_trt.errors import HpsError, UserError
from hps_trt.session import check, checked_feed, input_ranges, make_session, open_session
from hps_trt.session.check import Comparison, Settings, compare

Shop = Callable[..., SimpleNamespace]
value = helper.make_tensor_value_info
INT64, INT32, FLOAT = TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT


def table(name: str, rows: int, dim: int = 2) -> onnx.TensorProto:
    generator = np.random.default_rng(rows)
    return numpy_helper.from_array(generator.standard_normal((rows, dim)).astype(np.float32), name)


def constant(name: str, values: object, dtype: type = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def drawn(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    initializers: list[onnx.TensorProto],
    *,
    batches: int = 8,
    batch_size: int = 16,
) -> dict[str, np.ndarray]:
    """What eight batches hold for each input, joined along the first axis."""
    output = nodes[-1].output[0]
    graph = helper.make_graph(nodes, "g", inputs, [value(output, FLOAT, None)], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    ranges = input_ranges(proto, surgery.find(surgery.load(proto)).lookups)
    feeds = [ranges.draw(5, batch, batch_size) for batch in range(batches)]
    return {name: np.stack([feed[name] for feed in feeds]) for name in feeds[0]}


def test_ids_cover_the_table_with_both_ends_and_negative_ones() -> None:
    ids = drawn(
        [helper.make_node("Gather", ["t", "ids"], ["y"])],
        [value("ids", INT64, ["n"])],
        [table("t", 100)],
    )["ids"]
    assert ids.shape == (8, 16)
    assert ids.min() == -100 and ids.max() == 99
    assert {0, 99, -1, -100} <= set(ids.reshape(-1).tolist())
    assert all({0, 99, -1, -100} <= set(row.tolist()) for row in ids)


def test_an_input_of_two_tables_stays_within_the_smaller_one() -> None:
    ids = drawn(
        [
            helper.make_node("Gather", ["large", "ids"], ["a"]),
            helper.make_node("Gather", ["small", "ids"], ["b"]),
            helper.make_node("Add", ["a", "b"], ["y"]),
        ],
        [value("ids", INT32, ["n"])],
        [table("large", 1000), table("small", 10)],
    )["ids"]
    assert ids.min() == -10 and ids.max() == 9


@pytest.mark.parametrize("axis", [1, -1])
def test_columns_of_packed_ids_each_cover_their_table(axis: int) -> None:
    nodes = []
    for k in range(3):
        nodes.append(helper.make_node("Gather", ["cat", f"k{k}"], [f"i{k}"], axis=axis))
        nodes.append(helper.make_node("Gather", [f"t{k}", f"i{k}"], [f"y{k}"]))
    nodes.append(helper.make_node("Concat", ["y0", "y1", "y2"], ["y"], axis=1))
    sizes = (3, 40, 1000)
    cat = drawn(
        nodes,
        [value("cat", INT64, ["batch", "columns"])],
        [table(f"t{k}", size) for k, size in enumerate(sizes)]
        + [constant(f"k{k}", k) for k in range(3)],
    )["cat"]
    assert cat.shape == (8, 16, 3)
    for k, size in enumerate(sizes):
        assert cat[..., k].min() == -size and cat[..., k].max() == size - 1


def test_ids_packed_along_the_first_axis_each_cover_their_table() -> None:
    nodes = []
    for k in range(2):
        nodes.append(helper.make_node("Gather", ["cat", f"k{k}"], [f"i{k}"], axis=0))
        nodes.append(helper.make_node("Gather", [f"t{k}", f"i{k}"], [f"y{k}"]))
    nodes.append(helper.make_node("Concat", ["y0", "y1"], ["y"], axis=1))
    cat = drawn(
        nodes,
        [value("cat", INT64, ["tables", "batch"])],
        [table("t0", 5), table("t1", 700), constant("k0", 0), constant("k1", 1)],
    )["cat"]
    assert cat.shape[1] == 2
    assert cat[:, 0].max() == 4 and cat[:, 1].max() == 699


def test_fused_tables_get_ids_within_their_part_and_the_row_of_the_end() -> None:
    ids = drawn(
        [
            helper.make_node("Add", ["cat", "offsets"], ["shifted"]),
            helper.make_node("Gather", ["t", "shifted"], ["y"]),
        ],
        [value("cat", INT64, ["batch", 3])],
        [table("t", 60), constant("offsets", [0, 10, 50])],
    )["cat"]
    assert ids.min() == 0
    assert [ids[..., k].max() for k in range(3)] == [59, 49, 9]


def test_hashed_ids_may_be_large() -> None:
    ids = drawn(
        [
            helper.make_node("Mod", ["raw", "size"], ["hashed"]),
            helper.make_node("Gather", ["t", "hashed"], ["y"]),
        ],
        [value("raw", INT64, ["batch"])],
        [table("t", 10), constant("size", 10)],
    )["raw"]
    assert ids.min() == 0 and ids.max() == 2**31 - 1


def test_ids_given_as_floats_are_whole_and_exact() -> None:
    ids = drawn(
        [
            helper.make_node("Cast", ["ids"], ["whole"], to=INT64),
            helper.make_node("Gather", ["t", "whole"], ["y"]),
        ],
        [value("ids", FLOAT, ["batch"])],
        [table("t", 100)],
    )["ids"]
    assert ids.dtype == np.float32
    assert np.array_equal(ids, np.floor(ids)) and ids.max() == 99 and ids.min() == -100


def test_small_batches_meet_all_ends_in_turn() -> None:
    ids = drawn(
        [helper.make_node("Gather", ["t", "ids"], ["y"])],
        [value("ids", INT64, ["n"])],
        [table("t", 10**4)],
        batch_size=1,
    )["ids"]
    assert set(ids.reshape(-1).tolist()) == {0, 9999, -1, -10000}


def test_integers_that_reach_no_table_rise_from_zero_as_offsets_do() -> None:
    feeds = drawn(
        [
            helper.make_node("Gather", ["t", "ids"], ["a"]),
            helper.make_node("Cast", ["offsets"], ["b"], to=FLOAT),
            helper.make_node("ReduceSum", ["b"], ["c"]),
            helper.make_node("Add", ["a", "c"], ["y"]),
        ],
        [value("ids", INT64, ["n"]), value("offsets", INT64, ["m"])],
        [table("t", 4)],
    )["offsets"]
    assert (feeds[:, 0] == 0).all() and (np.diff(feeds, axis=1) >= 0).all()
    assert feeds.max() <= 16


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["t", "ids"], ["y"])],
        "g",
        [value("ids", INT64, ["n", "m"]), value("x", FLOAT, ["n", "m"])],
        [value("y", FLOAT, None)],
        [table("t", 1000)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    ranges = input_ranges(proto, surgery.find(surgery.load(proto)).lookups)
    one, two, other = ranges.draw(1, 2, 9), ranges.draw(1, 2, 9), ranges.draw(2, 2, 9)
    assert np.array_equal(one["ids"], two["ids"]) and np.array_equal(one["x"], two["x"])
    assert not np.array_equal(one["ids"], other["ids"])
    assert one["ids"].shape == one["x"].shape == (9, 3)


def test_an_input_that_cannot_be_made_up_is_named() -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["t", "ids"], ["y"])],
        "g",
        [value("ids", INT64, ["n"]), value("title", TensorProto.STRING, ["n"])],
        [value("y", FLOAT, None)],
        [table("t", 10)],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    ranges = input_ranges(proto, surgery.find(surgery.load(proto)).lookups)
    with pytest.raises(UserError, match=r"input 'title' is .*--inputs"):
        ranges.draw(0, 0, 4)


def compared(wanted: object, given: object, **settings: float) -> Comparison:
    into = Comparison("y", "output")
    compare(into, np.asarray(wanted), np.asarray(given), 3, Settings(**settings))
    return into


def test_comparison_is_of_bits() -> None:
    nan = np.array([0x7FC00001, 0x3F800000], np.uint32).view(np.float32)
    other = np.array([0x7FC00002, 0x3F800000], np.uint32).view(np.float32)
    assert compared(nan, nan.copy()).equal
    assert not compared(nan, other).equal
    assert not compared(np.float32([0.0]), np.float32([-0.0])).equal
    one = compared(np.float32([1, 2, 3]), np.float32([1, 2, 3.5]))
    assert (one.different, one.elements, one.max_difference) == (1, 3, 0.5)
    assert one.first == "batch 3 at [2]: 3.0 and 3.5"


def test_a_tolerance_counts_only_what_is_outside() -> None:
    one = compared(np.float32([1, 2]), np.float32([1.001, 2]), rtol=0.01)
    assert one.equal and one.different == 1
    assert not compared(np.float32([1, 2]), np.float32([1.1, 2]), rtol=0.01).equal
    assert not compared(np.float32([np.nan]), np.float32([1]), rtol=0.01).equal


def test_another_shape_or_type_is_a_difference() -> None:
    assert not compared(np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32)).equal
    assert not compared(np.zeros(2, np.float32), np.zeros(2, np.float64)).equal


def converted(shop: SimpleNamespace, folder: Path, **options: object) -> Path:
    return bundle.convert(shop.path, folder / "bundle", bundle.Options(**options)).bundle  # type: ignore[arg-type]


def test_a_bundle_runs_and_is_equal(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    result = check(converted(shop, tmp_path), shop.path, Settings(batches=5, batch_size=7))
    assert result.equal and result.batches == 5
    rows = {one.table: one.elements for one in result.comparisons if one.kind == "rows"}
    assert rows == {"users": 5 * 7 * 8, "items": 5 * 7 * 3 * 4}
    assert [one.name for one in result.comparisons if one.kind == "output"] == ["score"]


def test_run_gives_the_rows_of_numpy(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    feed = {
        "user": np.array([0, 49, -1, -50], np.int64),
        "items": np.array([[0, 6, -7], [1, 2, 3], [-1, -1, -1], [6, 6, 0]], np.int32),
        "price": np.ones((4, 2), np.float32),
    }
    with open_session(converted(shop, tmp_path)) as opened:
        outputs = opened.run(feed)
    assert np.array_equal(outputs["user_rows"], shop.users[feed["user"]])
    features = np.concatenate(
        [shop.users[feed["user"]], shop.items[feed["items"]].sum(axis=1), feed["price"]], axis=1
    )
    np.testing.assert_allclose(outputs["score"], features @ shop.weight, rtol=1e-4, atol=1e-5)


def test_one_wrong_bit_in_a_table_is_found(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    folder = converted(shop, tmp_path)
    path = folder / "tables/users/emb_vector"
    data = bytearray(path.read_bytes())
    data[-4] ^= 1  # the lowest bit of the last row's last element
    path.write_bytes(data)
    result = check(folder, shop.path, Settings(batches=2, batch_size=8))
    wrong = {one.name for one in result.comparisons if not one.equal}
    assert not result.equal and "user_rows" in wrong and "item_rows" not in wrong


def test_nan_rows_are_equal(make_shop: Shop, tmp_path: Path) -> None:
    users = np.full((6, 8), 1.5, np.float32)
    users.view(np.uint32)[0] = 0x7FC12345
    users.view(np.uint32)[5] = 0xFFABCDEF
    shop = make_shop(user_rows=users)
    result = check(converted(shop, tmp_path), shop.path, Settings(batches=2, batch_size=8))
    rows = next(one for one in result.comparisons if one.name == "user_rows")
    assert rows.equal and rows.elements == 2 * 8 * 8


def test_external_data_of_the_original_is_found_beside_it(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop(external=True)
    assert check(converted(shop, tmp_path), shop.path, Settings(batches=2)).equal


def test_a_bundle_may_be_moved(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop()
    folder = converted(shop, tmp_path).rename(tmp_path / "elsewhere")
    assert check(folder, shop.path, Settings(batches=2)).equal


def test_versions_of_a_model_serve_side_by_side(make_shop: Shop, tmp_path: Path) -> None:
    first, second = make_shop("a.onnx", seed=1), make_shop("b.onnx", seed=2)
    options = bundle.Options(model_name="shop")
    folders = [
        bundle.convert(m.path, tmp_path / m.path.stem, options).bundle for m in (first, second)
    ]
    feed = {
        "user": np.arange(50),
        "items": np.zeros((50, 3), np.int32),
        "price": np.zeros((50, 2), np.float32),
    }
    with open_session(folders[0]) as one, open_session(folders[1]) as two:
        assert np.array_equal(one.run(feed)["user_rows"], first.users)
        assert np.array_equal(two.run(feed)["user_rows"], second.users)
        assert np.array_equal(one.run(feed)["user_rows"], first.users)


def test_an_original_without_its_data_is_an_error(make_shop: Shop, tmp_path: Path) -> None:
    shop = make_shop(external=True)
    folder = converted(shop, tmp_path)
    (tmp_path / "shop.onnx.data").unlink()
    with pytest.raises((HpsError, surgery.SurgeryError), match=r"shop\.onnx\.data"):
        check(folder, shop.path, Settings(batches=1))


def test_a_bundle_of_another_model_is_refused(make_shop: Shop, tmp_path: Path) -> None:
    folder = converted(make_shop(), tmp_path)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["t", "ids"], ["y"])],
        "g",
        [value("ids", INT64, ["n"])],
        [value("y", FLOAT, ["n", 2])],
        [table("t", 10)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, str(tmp_path / "other.onnx"))
    with pytest.raises(UserError, match="was not made from this model: it has the inputs user"):
        check(folder, tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": np.zeros(2, np.int32)}, "input 'user' is int32; the graph needs tensor.int64"),
        ({"user": np.zeros((2, 1), np.int64)}, r"input 'user' has shape \[2, 1\]"),
        (
            {"items": np.zeros((2, 4), np.int32)},
            r"has shape \[2, 4\]; the graph needs \[batch, 3\]",
        ),
        ({"user": np.zeros(3, np.int64)}, "'batch' is 3 in input 'user'"),
        ({"price": None}, "input 'price' is missing"),
        ({"prices": np.zeros(1)}, "input 'prices' is none of the graph's: user, items, price"),
    ],
)
def test_inputs_that_do_not_fit_are_named(
    make_shop: Shop, change: dict[str, np.ndarray | None], message: str
) -> None:
    session = make_session(make_shop().path)
    feed: dict[str, np.ndarray | None] = {
        "user": np.zeros(2, np.int64),
        "items": np.zeros((2, 3), np.int32),
        "price": np.zeros((2, 2), np.float32),
    }
    feed |= change
    with pytest.raises(UserError, match=message):
        checked_feed(session, {name: array for name, array in feed.items() if array is not None})
