"""Models that real exporters wrote: each lookup found, converted, and equal to the original bit by
bit.

tests/fixtures/make_fixtures.py says where the models come from and what must be found in them.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx.reference import ReferenceEvaluator
from onnx_models import BINDING, assert_same, read_tables
from reference_op import evaluate, expand

from hps_trt import surgery
from hps_trt.surgery.op import OP_TYPE, LookupAttributes

MODELS = Path(__file__).parents[1] / "fixtures" / "models"
FIXTURES = sorted(MODELS.glob("*/*.onnx"))


@pytest.fixture(params=FIXTURES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def fixture(request):
    path = request.param
    arrays = np.load(path.with_suffix(".npz"))
    cases = {}
    for key in arrays.files:
        case, kind, name = key.split("/", 2)
        cases.setdefault(case, {"in": {}, "out": {}})[kind][name] = arrays[key]
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return SimpleNamespace(path=path, cases=cases, **expected)


def converted(path):
    loaded = surgery.load(path)
    plan = surgery.make_plan(surgery.find(loaded))
    tables = read_tables(surgery.table_sources(loaded, plan))
    return surgery.apply(loaded, plan, BINDING), tables


def run(path, feeds):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def graphs(graph):
    yield graph
    for item in graph.node:
        for attribute in item.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def test_there_are_fixtures_of_every_exporter():
    assert {path.parent.name for path in FIXTURES} == {
        "handmade",
        "tf",
        "torch_dynamo",
        "torch_legacy",
    }


def test_finds_what_is_there(fixture):
    findings = surgery.find(surgery.load(fixture.path))

    def key(item):
        return sorted(item.items())

    found = [
        {
            "rows": lookup.rows,
            "dim": lookup.dim,
            "nodes": len(lookup.nodes),
            "dtype": lookup.dtype,
            "index_mode": lookup.index_mode,
            "ids_dtype": lookup.ids_dtype,
            "column": lookup.ids_column,
            "subgraph": bool(lookup.scope),
        }
        for lookup in findings.lookups
    ]
    assert sorted(found, key=key) == sorted(fixture.lookups, key=key)
    assert len({lookup.table for lookup in findings.lookups}) == (fixture.tables if found else 0)
    reasons = [refusal.reason for refusal in findings.refused]
    assert len(reasons) == len(fixture.refused), reasons
    for words in fixture.refused:
        assert any(words.lower() in reason.lower() for reason in reasons), (words, reasons)


def test_answers_are_the_same(fixture, tmp_path):
    proto, tables = converted(fixture.path)
    surgery.save(expand(proto, tables), tmp_path / "new.onnx", source_dir=fixture.path.parent)
    for case in fixture.cases.values():
        expected = run(fixture.path, case["in"])
        assert_same(run(tmp_path / "new.onnx", case["in"]), expected)
        for number, array in case["out"].items():
            have = expected[int(number)]
            assert have.shape == array.shape
            np.testing.assert_allclose(
                have.astype(np.float64), array.astype(np.float64), rtol=1e-3, atol=1e-4
            )


def test_the_tables_are_out_of_the_graph(fixture):
    proto, tables = converted(fixture.path)
    original = onnx.load(fixture.path, load_external_data=False)
    assert list(proto.graph.input) == list(original.graph.input)
    assert list(proto.graph.output) == list(original.graph.output)
    assert len(tables) == (fixture.tables if fixture.lookups else 0)
    nodes = [n for g in graphs(proto.graph) for n in g.node if n.op_type == OP_TYPE]
    assert sum(len(LookupAttributes.from_node(n).lookups) for n in nodes) == len(fixture.lookups)
    loaded = surgery.load(fixture.path)
    names = {lookup.initializer.rpartition("::")[2] for lookup in surgery.find(loaded).lookups}
    kept = [t.name for g in graphs(proto.graph) for t in g.initializer if t.name in names]
    assert len(kept) == fixture.kept_tables
    for graph in graphs(proto.graph):
        typed = {info.name for info in [*graph.value_info, *graph.output]}
        for item in graph.node:
            if item.op_type == OP_TYPE:
                assert set(item.output) <= typed


def test_an_independent_operator_agrees(fixture):
    """The new graph as it is, with the operator of reference_op.py instead of plain nodes."""
    proto, tables = converted(fixture.path)
    if fixture.path.with_suffix(".onnx.data").exists():
        onnx.load_external_data_for_model(proto, str(fixture.path.parent))
    evaluator = ReferenceEvaluator(expand(proto, tables))
    for case in list(fixture.cases.values())[:1]:
        assert_same(evaluate(proto, tables, case["in"]), evaluator.run(None, case["in"]))
