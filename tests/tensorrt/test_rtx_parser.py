"""TensorRT's real ONNX parser and a real build, by TensorRT for RTX, without a GPU.

It supports no plugins: after it has created ours it ends the process (std::terminate), which is why
every parse is in a process of its own, and why hps_trt.engine refuses such graphs.
"""

import json
import subprocess

import onnx
import pytest
from onnx import TensorProto, helper

from hps_trt import bundle

RTX = "rtx-1.7"
pytestmark = pytest.mark.tensorrt

PARSE = """
import sys
import tensorrt_rtx_bindings as trt
logger = trt.Logger(trt.Logger.VERBOSE)
builder = trt.Builder(logger)
trt.get_plugin_registry().load_library(sys.argv[1])
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
parser = trt.OnnxParser(network, logger)
print("parsed", parser.parse_from_file(sys.argv[2]), flush=True)
"""
CREATED = "Successfully created plugin: HPS_TRT"


def parse(child, library, path) -> str:
    done = child(PARSE, RTX, library, path)
    return done.stdout + done.stderr


def test_the_parser_hands_over_the_fields_of_a_bundle(child, library, make_shop, tmp_path):
    bundle.convert(make_shop().path, tmp_path / "bundle")
    said = parse(child, library, tmp_path / "bundle" / "model.onnx")
    assert "Searching for plugin: HPS_TRT, plugin_version: 2, plugin_namespace:" in said
    assert CREATED in said
    # Every attribute is listed by the creator, so none is missing and none is dropped.
    assert "not found" not in said.replace("was not found in", "")


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("dims", [0, 4], "attribute 'dims'[0] is 0"),
        ("tables", b"users", "but 'tables' names 1 lookups"),
        ("input_types", [7, 3], "attribute 'input_types'[1] is 3"),
        ("ignored_ids", [0, -2147483648], "'ignored_ids'"),
    ],
)
def test_what_a_field_holds_reaches_the_plugin(
    child, library, make_shop, tmp_path, attribute, value, message
):
    bundle.convert(make_shop().path, tmp_path / "bundle")
    path = tmp_path / "bundle" / "model.onnx"
    model = onnx.load(path)
    (node,) = (node for node in model.graph.node if node.op_type == "HPS_TRT")
    (old,) = (a for a in node.attribute if a.name == attribute)
    old.CopyFrom(helper.make_attribute(attribute, value))
    onnx.save(model, path)
    said = parse(child, library, path)
    assert CREATED not in said
    assert f"HPS_TRT: HPS_TRT node: {message}" in said or message in said


def test_a_node_of_hps_itself_is_version_1(child, library, tmp_path):
    node = helper.make_node(
        "HPS_TRT",
        ["ids"],
        ["rows"],
        name="lookup",
        plugin_version="1",
        plugin_namespace="",
        ps_config_file="ps.json\0",
        model_name="shop\0",
        table_id=0,
        emb_vec_size=8,
    )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "old",
        [value("ids", TensorProto.INT32, ["batch", 3])],
        [value("rows", TensorProto.FLOAT, ["batch", 3, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.save(model, tmp_path / "old.onnx")
    said = parse(child, library, tmp_path / "old.onnx")
    assert "plugin_version: 1" in said
    assert CREATED in said


CLI = "import sys; from hps_trt.cli.main import main; sys.exit(main(sys.argv[1:]))"


def build(child, *arguments: object) -> subprocess.CompletedProcess[str]:
    return child(CLI, RTX, "build", *arguments, "--tensorrt-rtx")


def test_the_dense_part_of_a_split_bundle_builds(child, make_shop, tmp_path):
    bundle.convert(make_shop().path, tmp_path / "bundle", bundle.Options(split=True))
    engine = tmp_path / "dense.plan"
    capability = ["--compute-capability", "8.9"]
    done = build(
        child, tmp_path / "bundle", "-o", engine, *capability, "--profile", "batch=1,8,16", "--json"
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["bytes"] == engine.stat().st_size > 1000
    assert report["profile"]["price"] == "1x2,8x2,16x2"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_graph_with_lookups_is_refused_before_the_parser(child, make_shop, tmp_path):
    bundle.convert(make_shop().path, tmp_path / "bundle")
    done = build(child, tmp_path / "bundle", "-o", tmp_path / "model.plan")
    assert done.returncode == 1
    assert "hps-trt convert --split" in done.stderr
    assert not (tmp_path / "model.plan").exists()


def test_an_unknown_gpu_is_named(child, make_shop, tmp_path):
    bundle.convert(make_shop().path, tmp_path / "bundle", bundle.Options(split=True))
    done = build(
        child, tmp_path / "bundle", "-o", tmp_path / "m.plan", "--compute-capability", "61"
    )
    assert done.returncode == 1
    assert "compute capability 61: this release knows" in done.stderr


def test_what_the_parser_refuses_is_said_in_its_words(child, tmp_path):
    node = helper.make_node("NoSuchOperator", ["x"], ["y"], domain="elsewhere", name="odd")
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])
    model = helper.make_model(
        helper.make_graph([node], "odd", [value], [out]),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("elsewhere", 1)],
    )
    model.ir_version = 10
    onnx.save(model, tmp_path / "odd.onnx")
    done = build(child, tmp_path / "odd.onnx", "-o", tmp_path / "odd.plan")
    assert done.returncode == 1
    assert "TensorRT's parser refused it: node 'odd' (NoSuchOperator): " in done.stderr
    assert done.stderr.count("\n") == 1
