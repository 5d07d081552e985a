"""The plan file: what it holds, what may be edited, and that everything else fails by name."""

import json

import numpy as np
import pytest
from onnx_models import BINDING, FLOAT, INT64, find, model, node, one_gather, ops, table, value

from hps_trt import surgery


def two_tables():
    return model(
        [
            node("Gather", ["user.weight", "ids"], ["user"], name="/user"),
            node("Gather", ["item.weight", "ids"], ["item"], name="/item"),
            node("Gather", ["user.weight", "ids"], ["again"], name="/again"),
            node("Gather", ["item.weight", "zero"], ["first"], name="/first"),
        ],
        [value("ids", INT64, ["B"])],
        [value(name, FLOAT, None) for name in ("user", "item", "again", "first")],
        {"user.weight": table(10, 4), "item.weight": table(20, 6), "zero": np.int64(0)},
    )


def document(proto=None, **options):
    return json.loads(surgery.make_plan(find(proto or two_tables()), **options).to_json())


def apply(doc, proto=None):
    loaded = surgery.load(proto or two_tables())
    plan = surgery.Plan.from_json(json.dumps(doc))
    return surgery.apply(loaded, plan, BINDING), surgery.table_sources(loaded, plan)


def tables_of(proto):
    (fused,) = (item for item in proto.graph.node if item.op_type == "HPS_TRT")
    (names,) = (a.s.decode() for a in fused.attribute if a.name == "tables")
    return names.split("\n")


def test_says_everything_a_person_needs():
    doc = document()
    assert list(doc) == ["format", "fingerprint", "min_rows", "lookups", "refused"]
    assert doc["format"] == "hps-trt-plan/1"
    assert [(item["name"], item["table"], item["rows"]) for item in doc["lookups"]] == [
        ("/user", "user", 10),
        ("/item", "item", 20),
        ("/again", "user", 10),
    ]
    assert all(item["enabled"] is True for item in doc["lookups"])
    assert doc["refused"][0]["node"] == "/first"
    assert doc["refused"][0]["reason"] == "the ids are constant"


def test_keys_of_a_lookup_are_those_of_findings():
    item = document()["lookups"][0]
    assert set(item) - {"enabled"} == set(find(two_tables()).to_dict()["lookups"][0])


def test_survives_a_file(tmp_path):
    plan = surgery.make_plan(find(two_tables()), min_rows=3)
    path = tmp_path / "plan.json"
    plan.save(path)
    assert surgery.Plan.load(path) == plan
    assert [item.name for item in tmp_path.iterdir()] == ["plan.json"]


def test_a_lookup_may_be_dropped_or_disabled():
    for edit in ("drop", "disable"):
        doc = document()
        if edit == "drop":
            del doc["lookups"][1]
        else:
            doc["lookups"][1]["enabled"] = False
        new, sources = apply(doc)
        assert tables_of(new) == ["user", "user"]
        assert list(sources) == ["user"]
        assert ops(new.graph).count("Gather") == 2
        assert {tensor.name for tensor in new.graph.initializer} == {"item.weight", "zero"}


def test_one_of_two_lookups_of_a_table_may_stay():
    doc = document()
    del doc["lookups"][0]
    new, _ = apply(doc)
    assert tables_of(new) == ["item", "user"]
    assert "user.weight" in {tensor.name for tensor in new.graph.initializer}


def test_a_table_may_be_renamed():
    doc = document()
    for item in (doc["lookups"][0], doc["lookups"][2]):
        item["table"] = "people"
    new, sources = apply(doc)
    assert tables_of(new) == ["people", "item", "people"]
    assert list(sources) == ["people", "item"]
    assert sources["people"].initializer == "user.weight"


@pytest.mark.parametrize("where", ["make_plan", "file"])
def test_small_tables_stay_below_the_threshold(where):
    doc = document(min_rows=11) if where == "make_plan" else document()
    doc["min_rows"] = 11
    new, sources = apply(doc)
    assert tables_of(new) == ["item"]
    assert list(sources) == ["item"]


def test_an_empty_plan_changes_nothing():
    doc = document()
    doc["lookups"] = []
    proto = two_tables()
    new, sources = apply(doc, proto)
    assert not sources
    assert new == proto


def refuses(doc, *words, proto=None):
    with pytest.raises(surgery.SurgeryError) as caught:
        apply(doc, proto)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_plan_for_another_model_is_refused():
    refuses(document(one_gather()), "another model", "make a new plan")


def test_a_plan_fits_the_same_model_with_other_weights():
    proto = two_tables()
    proto.graph.initializer[0].raw_data = table(10, 4, seed=7).tobytes()
    proto.graph.doc_string = proto.producer_name = "trained again"
    apply(document(), proto)


@pytest.mark.parametrize(
    ("key", "edited", "words"),
    [
        ("rows", 11, ("'/user'", "rows is 11", "10")),
        ("dim", 5, ("dim",)),
        ("dtype", "fp16", ("dtype is fp16",)),
        ("ids", "other", ("ids is other",)),
        ("ids_column", 2, ("ids_column",)),
        ("index_mode", "key", ("index_mode",)),
        ("initializer", "other.weight", ("initializer",)),
        ("nodes", ["/user", "/item"], ("nodes",)),
        ("rule", "gather_nd", ("rule",)),
        ("name", "/usr", ("name",)),
        ("output", "usr", ("'usr'", "nearest is 'user'")),
        ("scope", "/if.then_branch", ("not in",)),
    ],
)
def test_what_was_found_may_not_be_edited(key, edited, words):
    doc = document()
    del doc["lookups"][2]  # otherwise a changed initializer clashes with it first
    doc["lookups"][0][key] = edited
    refuses(doc, *words)


def test_a_refused_candidate_cannot_be_planned():
    doc = document()
    doc["lookups"].append(
        {**doc["lookups"][0], "name": "/first", "output": "first", "nodes": ["/first"]}
    )
    refuses(doc, "'/first'", "the ids are constant")


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda d: d.update(colour="red"), ("unknown key 'colour'",)),
        (lambda d: d.update(min_row=1), ("unknown key 'min_row'", "nearest is 'min_rows'")),
        (lambda d: d.pop("refused"), ("'refused' is missing",)),
        (lambda d: d.update(format="hps-trt-plan/9"), ("hps-trt-plan/9",)),
        (lambda d: d.update(min_rows=-1), ("min_rows is -1",)),
        (lambda d: d.update(min_rows=True), ("min_rows is True", "whole number")),
        (lambda d: d.update(lookups={}), ("lookups", "a list")),
        (lambda d: d["lookups"][1].pop("ids"), ("lookups[1] '/item'", "'ids' is missing")),
        (lambda d: d["lookups"][1].update(tabel="x"), ("'/item'", "nearest is 'table'")),
        (lambda d: d["lookups"][1].update(enabled=1), ("enabled is 1", "true or false")),
        (lambda d: d["lookups"][1].update(rows="10"), ("rows is '10'",)),
        (lambda d: d["lookups"][1].update(nodes=[1]), ("nodes is 1", "text")),
        (lambda d: d["lookups"].append(d["lookups"][0]), ("'/user' is there twice",)),
        (lambda d: d["lookups"].append(3), ("lookups[3]", "not an object")),
        (lambda d: d["lookups"][0].update(table="../x"), ("'/user'", "'../x'")),
        (lambda d: d["lookups"][0].update(table=""), ("1 to 120",)),
        (lambda d: d["lookups"][0].update(table="a" * 121), ("1 to 120",)),
        (lambda d: d["lookups"][1].update(table="user"), ("already holds 'user.weight'",)),
        (lambda d: d["lookups"][2].update(table="users"), ("both must name the same table",)),
    ],
)
def test_strict_about_the_file(edit, words):
    doc = document()
    edit(doc)
    refuses(doc, *words)


def test_a_key_given_twice_and_text_that_is_not_json():
    text = json.dumps(document())
    for broken, word in [
        (text.replace('"min_rows"', '"format"', 1), "'format' is given twice"),
        (text[:-20], "not valid JSON"),
        (text.replace('"min_rows": 0', '"min_rows": NaN'), "NaN"),
        ("[" * 100000, "not valid JSON"),
        ("[]", "not an object"),
    ]:
        with pytest.raises(surgery.SurgeryError, match=word):
            surgery.Plan.from_json(broken, "plan.json")


def test_file_errors_name_the_file(tmp_path):
    with pytest.raises(surgery.SurgeryError, match=r"missing\.json: cannot be read"):
        surgery.Plan.load(tmp_path / "missing.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(surgery.SurgeryError, match=r"bytes\.json: not a text file"):
        surgery.Plan.load(tmp_path / "bytes.json")
    plan = surgery.make_plan(find(two_tables()))
    with pytest.raises(surgery.SurgeryError, match="cannot be written"):
        plan.save(tmp_path / "no" / "plan.json")
