"""Models from files, from memory and from onnx-graphsurgeon; broken ones are named in one line."""

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx_models import BINDING, FLOAT, INT64, find, model, node, one_gather, run, table, value
from reference_op import expand

from hps_trt import surgery


def save(tmp_path, proto, name="model.onnx"):
    path = tmp_path / name
    path.write_bytes(proto.SerializeToString())
    return path


def test_every_source_finds_the_same(tmp_path):
    proto = one_gather()
    wanted = find(proto).lookups
    assert surgery.find(surgery.load(save(tmp_path, proto))).lookups == wanted
    assert surgery.find(surgery.load(str(save(tmp_path, proto)))).lookups == wanted
    (lookup,) = surgery.find(surgery.load(gs.import_onnx(proto))).lookups
    assert (lookup.initializer, lookup.rows, lookup.output) == ("emb.weight", 10, "rows")


def test_a_graphsurgeon_graph_converts():
    loaded = surgery.load(gs.import_onnx(one_gather()))
    plan = surgery.make_plan(surgery.find(loaded))
    new = surgery.apply(loaded, plan, BINDING)
    assert new.ir_version <= 10
    ids = {"ids": np.array([[1, -1]])}
    (rows,) = run(expand(new, {"emb": table(10, 4)}), ids)
    assert rows.tobytes() == table(10, 4)[[1, -1]].tobytes()


def test_external_files_need_not_exist_for_finding(tmp_path):
    onnx.save_model(
        one_gather(),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.bin",
        size_threshold=0,
    )
    (tmp_path / "m.bin").unlink()
    loaded = surgery.load(tmp_path / "m.onnx")
    (lookup,) = surgery.find(loaded).lookups
    assert lookup.rows == 10
    sources = surgery.table_sources(loaded, surgery.make_plan(surgery.find(loaded)))
    with pytest.raises(surgery.SurgeryError, match=r"m\.bin"):
        next(sources["emb"].blocks())


def refuses(source, *words):
    with pytest.raises(surgery.SurgeryError) as caught:
        surgery.find(surgery.load(source))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    refuses(tmp_path / "none.onnx", "none.onnx", "cannot be read")
    refuses(tmp_path, "not a regular file")


def test_bytes_that_are_no_model(tmp_path):
    path = tmp_path / "model.onnx"
    for data in (b"", b"hello", b"\0" * 100, bytes(range(256)), b"\x3a\xff\xff\xff\xff\x0f"):
        path.write_bytes(data)
        refuses(path, "model.onnx", "not an ONNX model")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    data = one_gather().SerializeToString()
    path = tmp_path / "model.onnx"
    for end in range(0, len(data), 3):
        path.write_bytes(data[:end])
        refuses(path, "model.onnx")


def test_a_file_with_flipped_bytes_fails_cleanly_or_not_at_all(tmp_path):
    data = one_gather().SerializeToString()
    path = tmp_path / "model.onnx"
    for position in range(0, len(data), 5):
        broken = bytearray(data)
        broken[position] ^= 0x55
        path.write_bytes(broken)
        try:
            loaded = surgery.load(path)
            plan = surgery.make_plan(surgery.find(loaded))
            for source in surgery.table_sources(loaded, plan).values():
                sum(len(block) for block in source.blocks())
            surgery.apply(loaded, plan, BINDING)
        except surgery.SurgeryError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("name", [b"emb.weight", b"graph", b"Gather", b"rows"])
def test_text_that_is_not_utf_8(tmp_path, name):
    data = one_gather().SerializeToString()
    assert name in data
    path = tmp_path / "model.onnx"
    path.write_bytes(data.replace(name, b"\xff" + name[1:]))
    refuses(path, "model.onnx", "UTF-8")


def test_other_objects_are_refused():
    refuses({"graph": 1}, "dict", "ModelProto")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda g: g.node[0].input.__setitem__(1, "nobody"), "'nobody', which nothing makes"),
        (lambda g: g.output[0].__setattr__("name", "nobody"), "graph output 'nobody'"),
        (lambda g: g.node.append(g.node[0]), "'rows' is made more than once"),
        (lambda g: g.node[0].output.__setitem__(0, "ids"), "'ids' is made more than once"),
        (lambda g: g.initializer.append(g.initializer[0]), "same name"),
    ],
)
def test_graphs_that_do_not_hold_together(change, word):
    proto = one_gather()
    change(proto.graph)
    refuses(proto, word)


def test_a_model_of_old_style_lists_its_tables_as_inputs():
    proto = one_gather()
    proto.ir_version = 3
    proto.graph.input.append(value("emb.weight", FLOAT, [10, 4]))
    (refused,) = find(proto).refused
    assert "remove it from the inputs" in refused.reason


def test_nodes_with_missing_inputs_do_not_disturb():
    proto = model(
        [
            node("Gather", ["w"], ["a"]),
            node("GatherND", [], ["b"]),
            node("OneHot", ["ids"], ["h"]),
            node("MatMul", ["h", "w"], ["c"]),
            node("Unsqueeze", [], ["u"]),
            node("GatherND", ["w", "u"], ["d"]),
            node("Add", ["ids"], ["e"]),
            node("Gather", ["w", "e"], ["f"]),
            node("Less", [], ["l"]),
            node("Cast", [], ["k"]),
            node("Where", ["l", "e", "k"], ["x"]),
            node("Gather", ["w", "x"], ["y"]),
            node("Cast", ["h"], ["h2"], to=INT64),
            node("Gather", ["ids"], ["p"]),
            node("Gather", ["w", "p"], ["z"]),
        ],
        [value("ids", INT64, ["B"])],
        [value("f", FLOAT, None)],
        {"w": table(10, 4)},
    )
    for refused in find(proto).refused:
        assert refused.reason
