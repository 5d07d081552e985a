"""Table names made of initializer names, and unique names of lookups."""

import pytest
from onnx_models import FLOAT, INT64, find, model, node, table, value

from hps_trt.surgery.find import table_name


@pytest.mark.parametrize(
    ("initializer", "name"),
    [
        ("embs.3.weight", "embs_3"),
        ("emb.weight", "emb"),
        ("weight", "weight"),
        ("val_0", "val_0"),
        ("functional_1/emb_1/GatherV2/ReadVariableOp:0", "functional_1_emb_1"),
        ("user_table/Read/ReadVariableOp:0", "user_table"),
        ("embedding_lookup/9835:0", "embedding_lookup_9835"),
        ("Gather/resource:0", "Gather"),
        ("Таблица", "table"),
        ("../../etc", "etc"),
        ("", "table"),
    ],
)
def test_says_what_the_initializer_is(initializer, name):
    assert table_name(initializer) == name


def test_long_names_stay_valid():
    assert len(table_name("x" * 5000)) == 100


def test_names_are_unique_even_on_file_systems_without_case():
    names = ["a.b", "a_b", "A/b", "a.b.weight"]
    proto = model(
        [node("Gather", [name, "ids"], [f"rows{i}"]) for i, name in enumerate(names)],
        [value("ids", INT64, ["B"])],
        [value(f"rows{i}", FLOAT, None) for i in range(len(names))],
        {name: table(5, 2, seed=i) for i, name in enumerate(names)},
    )
    tables = [lookup.table for lookup in find(proto).lookups]
    assert tables == ["a_b", "a_b_2", "A_b_3", "a_b_4"]


def test_lookups_of_nodes_with_one_name_are_told_apart():
    proto = model(
        [node("Gather", ["w", "ids"], [f"rows{i}"], name="same") for i in range(3)],
        [value("ids", INT64, ["B"])],
        [value(f"rows{i}", FLOAT, None) for i in range(3)],
        {"w": table(5, 2)},
    )
    assert [lookup.name for lookup in find(proto).lookups] == ["same", "same#2", "same#3"]
