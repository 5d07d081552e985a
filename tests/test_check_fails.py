"""`hps-trt check` fails on every kind of damage that a bundle can have, and says what differs."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

MODELS = Path(__file__).parent / "fixtures/models"

Shop = Callable[..., SimpleNamespace]
Run = Callable[..., tuple[int, str, str]]
Edit = Callable[[Path], None]


def flip(name: str, place: int) -> Edit:
    def edit(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[place] ^= 1
        (folder / name).write_bytes(data)

    return edit


def node(change: Callable[[onnx.NodeProto], object]) -> Edit:
    def edit(folder: Path) -> None:
        model = onnx.load(str(folder / "model.onnx"))
        (found,) = [node for node in model.graph.node if node.op_type == "HPS_TRT"]
        change(found)
        onnx.save(model, str(folder / "model.onnx"))

    return edit


def attribute(name: str, value: object) -> Edit:
    def change(found: onnx.NodeProto) -> None:
        (old,) = [a for a in found.attribute if a.name == name]
        old.CopyFrom(helper.make_attribute(name, value))

    return node(change)


def manifest(change: Callable[[dict[str, object], list[dict[str, object]]], object]) -> Edit:
    def edit(folder: Path) -> None:
        document = json.loads((folder / "hps.json").read_text())
        change(document, document["models"][0]["tables"])
        (folder / "hps.json").write_text(json.dumps(document))

    return edit


def weight(folder: Path) -> None:
    """The smallest possible change of one dense weight."""
    model = onnx.load(str(folder / "model.onnx"))
    (tensor,) = [t for t in model.graph.initializer if t.name == "weight"]
    values = numpy_helper.to_array(tensor).copy()
    values.view(np.uint32)[0, 0] ^= 1
    tensor.CopyFrom(numpy_helper.from_array(values, "weight"))
    onnx.save(model, str(folder / "model.onnx"))


def rename_output(folder: Path) -> None:
    model = onnx.load(str(folder / "model.onnx"))
    model.graph.output[0].name = model.graph.node[-1].output[0] = "other"
    onnx.save(model, str(folder / "model.onnx"))


DIFFERENT = {
    "first byte of the first row": (flip("tables/users/emb_vector", 0), "rows 'user_rows'"),
    "last byte of the last row": (flip("tables/items/emb_vector", -1), "rows 'item_rows'"),
    "a weight of the dense part": (weight, "output 'score'"),
    "negative ids are keys": (attribute("index_modes", [0, 1]), "rows 'user_rows'"),
}


@pytest.mark.parametrize("damage", list(DIFFERENT))
def test_a_difference_is_found_and_named(make_shop: Shop, cli: Run, damage: str) -> None:
    edit, where = DIFFERENT[damage]
    shop = make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    words = ("check", "bundle", "--against", "shop.onnx", "--batches", "3")
    assert cli(*words)[0] == 0
    edit(shop.path.parent / "bundle")
    code, out, err = cli(*words)
    assert code == 1 and err == "" and "NOT EQUAL: 3 batches" in out
    assert f"{where}: DIFFERENT: " in out and "batch " in out
    others = {"rows 'user_rows'", "rows 'item_rows'"} - {where}
    assert not any(f"{other}: DIFFERENT" in out for other in others)


REFUSED = {
    "ids of another input": (
        node(lambda found: found.input.__setitem__(slice(None), ["items", "user"])),
        "int",
    ),
    "a table that is not there": (attribute("tables", "usres\nitems"), "usres"),
    "another bundle's id": (attribute("bundle_id", "0" * 32), "0" * 32),
    "another dimension": (attribute("dims", [4, 4]), "users"),
    "a lookup less": (attribute("layouts", [0]), "layouts"),
    "the manifest has other rows": (
        manifest(lambda document, tables: tables[0].update(rows=49)),
        "found 1600, and 49 rows of dim 8 need 1568",
    ),
    "the manifest has another checksum": (
        manifest(lambda document, tables: tables[0]["files"]["key"].update(xxh128="0" * 32)),
        "bundle_id",
    ),
    "the manifest leaves a table out": (manifest(lambda document, tables: tables.pop()), "id"),
    "the manifest names a folder outside": (
        manifest(lambda document, tables: tables[0].update(path="../elsewhere")),
        "../elsewhere",
    ),
    "an output of another name": (rename_output, "was not made from this model"),
}


@pytest.mark.parametrize("damage", list(REFUSED))
def test_a_bundle_that_does_not_fit_together_is_refused(
    make_shop: Shop, cli: Run, mistake: Callable[..., str], damage: str
) -> None:
    edit, part = REFUSED[damage]
    shop = make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    edit(shop.path.parent / "bundle")
    assert part in mistake("check", "bundle", "--against", "shop.onnx", "--batches", "1")


def test_a_wrong_column_of_packed_ids_is_found(cli: Run, tmp_path: Path) -> None:
    path = MODELS / "handmade/packed_int32_columns.onnx"
    assert cli("convert", path, "-o", "bundle")[0] == 0

    def exchange(found: onnx.NodeProto) -> None:
        (columns,) = [a for a in found.attribute if a.name == "ids_columns"]
        assert len(columns.ints) > 1 and columns.ints[0] != columns.ints[1]
        columns.ints[0], columns.ints[1] = columns.ints[1], columns.ints[0]

    assert cli("check", "bundle", "--against", path, "--batches", "2")[0] == 0
    node(exchange)(tmp_path / "bundle")
    code, out, _ = cli("check", "bundle", "--against", path, "--batches", "2")
    assert code == 1 and out.count("rows '") >= 2 and "NOT EQUAL" in out


def test_another_model_is_different_and_the_plan_says_why(make_shop: Shop, cli: Run) -> None:
    make_shop()
    make_shop("other.onnx", rows=(51, 7))
    cli("convert", "shop.onnx", "-o", "bundle")
    code, out, _ = cli("check", "bundle", "--against", "other.onnx", "--batches", "1")
    assert code == 1 and "NOT EQUAL" in out
    assert "bundle/plan.json was made for another model" in out
    assert "another model" not in cli("check", "bundle", "--against", "shop.onnx")[1]


def test_nothing_to_compare_is_not_equal(
    make_shop: Shop, cli: Run, mistake: Callable[..., str], tmp_path: Path
) -> None:
    make_shop()
    cli("convert", "shop.onnx", "-o", "bundle")
    user, items = np.zeros(0, np.int64), np.zeros((0, 3), np.int32)
    np.savez(tmp_path / "in.npz", user=user, items=items, price=np.zeros((0, 2), np.float32))
    words = ("check", "bundle", "--against")
    assert "nothing was compared" in mistake(*words, "shop.onnx", "--inputs", "in.npz")
    assert "the bundle's own graph" in mistake(*words, "bundle/model.onnx")


def test_a_model_with_lookups_of_hps_is_compared(make_shop: Shop, cli: Run, tmp_path: Path) -> None:
    """Its HPS_TRT nodes of version "1" stay, and read their ps.json in both models."""
    shop = make_shop()
    folder = tmp_path / "hps/ads"
    folder.mkdir(parents=True)
    np.arange(5, dtype=np.int64).tofile(folder / "key")
    np.arange(20, dtype=np.float32).tofile(folder / "emb_vector")
    entry = {"model": "old", "sparse_files": ["hps/ads"], "embedding_vecsize_per_table": [4]}
    (tmp_path / "ps.json").write_text(json.dumps({"supportlonglong": True, "models": [entry]}))
    model = onnx.load(str(shop.path))
    settings = {"ps_config_file": str(tmp_path / "ps.json"), "model_name": "old"}
    ads = helper.make_node(
        "HPS_TRT", ["items"], ["ads_rows"], name="ads", table_id=0, emb_vec_size=4, **settings
    )
    model.graph.node.append(ads)
    model.graph.output.append(
        helper.make_tensor_value_info("ads_rows", onnx.TensorProto.FLOAT, ["batch", 3, 4])
    )
    onnx.save(model, str(shop.path))
    code, out, err = cli("convert", "shop.onnx", "-o", "bundle")
    assert (code, err) == (0, "") and "2 tables" in out
    words = ("check", "bundle", "--against", "shop.onnx", "--batches", "2", "--json")
    code, out, err = cli(*words)
    assert (code, err) == (0, "")
    assert {one["name"]: one["kind"] for one in json.loads(out)["tensors"]} == {
        "score": "output",
        "user_rows": "rows",
        "item_rows": "rows",
        "ads_rows": "output",
    }
