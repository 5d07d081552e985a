"""Our own part of building an engine: graphs, ranges, trtexec's line, and the order of API calls.

TensorRT's Python module is played by a small one that records what it is asked for; what the real
one answers is in test_rtx_parser.py.
"""

import json
import shlex
import stat
import sys
import types
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from hps_trt import bundle, engine
from hps_trt.cli.main import main
from hps_trt.engine import builder
from hps_trt.engine.profiles import parse_range
from hps_trt.errors import HpsError, UserError


@pytest.fixture
def shop_bundle(make_shop, tmp_path) -> Path:
    bundle.convert(make_shop().path, tmp_path / "bundle", bundle.Options(split=True))
    return tmp_path / "bundle"


@pytest.fixture
def graph(shop_bundle) -> engine.Graph:
    return engine.open_graph(shop_bundle)


def texts(profile: engine.Profile) -> dict[str, str]:
    return {name: shape.to_text() for name, shape in profile.items()}


class TestGraph:
    def test_inputs_and_plugins(self, graph):
        assert graph.inputs == {"user": ("batch",), "items": ("batch", 3), "price": ("batch", 2)}
        assert len(graph.plugin_nodes) == 1
        assert graph.dynamic == graph.inputs

    def test_the_dense_graph_has_none(self, shop_bundle):
        dense = engine.dense_graph(shop_bundle)
        assert dense.path == shop_bundle / "split" / "dense.onnx"
        assert dense.plugin_nodes == ()

    def test_weights_listed_as_inputs_are_none(self, tmp_path):
        value = helper.make_tensor_value_info
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        weight = helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [1, 2])
        inputs = [value("x", TensorProto.FLOAT, [None, 2]), value("w", TensorProto.FLOAT, [2, 1])]
        out = value("y", TensorProto.FLOAT, [None, 1])
        onnx.save(
            helper.make_model(helper.make_graph([node], "g", inputs, [out], [weight])),
            tmp_path / "g.onnx",
        )
        assert engine.open_graph(tmp_path / "g.onnx").inputs == {"x": ("", 2)}

    @pytest.mark.parametrize("content", [None, b"", b"not a model", b"\x08"])
    def test_no_graph(self, tmp_path, content):
        path = tmp_path / "model.onnx"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=r"model\.onnx: (no such graph|not an ONNX model)"):
            engine.open_graph(tmp_path)


class TestProfiles:
    def test_defaults(self, graph):
        assert texts(engine.make_profile(graph)) == {
            "user": "1,64,1024",
            "items": "1x3,64x3,1024x3",
            "price": "1x2,64x2,1024x2",
        }

    def test_an_axis_an_input_and_the_default(self, graph):
        given = ["batch=2,4,8", "items=1x3,5x3,7x3"]
        assert texts(engine.make_profile(graph, given, parse_range("9,9,9", "default"))) == {
            "user": "2,4,8",
            "items": "1x3,5x3,7x3",
            "price": "2x2,4x2,8x2",
        }

    def test_one_number_fills_the_dynamic_axes_of_an_input(self, graph):
        assert texts(engine.make_profile(graph, ["items=2,4,8"]))["items"] == "2x3,4x3,8x3"

    def test_names_with_signs_in_them(self, graph):
        odd = engine.Graph(graph.path, {"in=put:0": ("n",)}, ())
        assert texts(engine.make_profile(odd, ["in=put:0=1,2,3"])) == {"in=put:0": "1,2,3"}

    def test_fixed_inputs_need_none(self, graph):
        assert engine.make_profile(engine.Graph(graph.path, {"x": (2, 3)}, ())) == {}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("batch", "write name=min,opt,max"),
            ("=1,2,3", "write name=min,opt,max"),
            ("batch=1,2", "three shapes of one rank are needed"),
            ("batch=1,2,3x4", "three shapes of one rank are needed"),
            ("batch=4,2,8", "does not rise from min over opt to max"),
            ("batch=1,2,2147483648", "does not rise"),
            ("batch=1,-2,3", "'-2' is no shape"),
            ("batch=1,²,3", "'²' is no shape"),
            ("batch=1x3,2x3,4x3", "the axis 'batch' takes three numbers"),
            ("items=1x4,2x4,3x4", "axis 1 is fixed: \\[batch, 3\\], not 4"),
            ("items=1x3x1,2x3x1,3x3x1", "has rank 3, the input has 2"),
            ("clicks=1,2,3", "no dynamic input or axis has that name"),
        ],
    )
    def test_mistakes_are_named(self, graph, text, message):
        with pytest.raises(UserError, match=message):
            engine.make_profile(graph, [text])

    def test_a_range_given_twice(self, graph):
        with pytest.raises(UserError, match="'batch' is given twice"):
            engine.make_profile(graph, ["batch=1,2,3", "batch=1,2,4"])


class TestTrtexec:
    def test_the_line(self, graph):
        profile = engine.make_profile(graph, ["batch=1,8,16"])
        library = Path("/some where/libhps_plugin.so")
        words = engine.command("trtexec", graph, Path("m.plan"), profile, library, static=False)
        assert words == [
            "trtexec",
            f"--onnx={graph.path}",
            "--saveEngine=m.plan",
            "--stronglyTyped",
            "--skipInference",
            "--dynamicPlugins=/some where/libhps_plugin.so",
            "--minShapes=user:1,items:1x3,price:1x2",
            "--optShapes=user:8,items:8x3,price:8x2",
            "--maxShapes=user:16,items:16x3,price:16x2",
        ]
        static = engine.command("trtexec", graph, Path("m.plan"), {}, library, static=True)
        assert static[-1] == "--staticPlugins=/some where/libhps_plugin.so"

    def test_names_are_quoted_or_refused(self, graph):
        shape = engine.DEFAULT_RANGE
        words = engine.command("t", graph, Path("m"), {"ids:0": shape}, None, static=False)
        assert "--minShapes='ids:0':1" in words
        with pytest.raises(UserError, match="no commas or quotes"):
            engine.command("t", graph, Path("m"), {"a,b": shape}, None, static=False)

    def test_dry_run_prints_it_for_a_shell(self, shop_bundle, tmp_path, capsys, monkeypatch):
        library = tmp_path / "lib dir" / "libhps_plugin.so"
        library.parent.mkdir()
        library.touch()
        monkeypatch.setenv("HPS_TRT_LIBRARY", str(library))
        output = tmp_path / "m.plan"
        arguments = ["build", str(shop_bundle), "-o", str(output), "--trtexec", "--dry-run"]
        assert main(arguments) == 0
        words = shlex.split(capsys.readouterr().out)
        assert words[0] == "trtexec"
        assert f"--dynamicPlugins={library}" in words
        assert f"--saveEngine={output}" in words
        assert not output.exists()

    def program(self, tmp_path, monkeypatch, body: str) -> None:
        path = tmp_path / "bin" / "trtexec"
        path.parent.mkdir()
        path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(path.parent), prepend=":")
        (tmp_path / "lib.so").touch()
        monkeypatch.setenv("HPS_TRT_LIBRARY", str(tmp_path / "lib.so"))

    def test_it_is_run_and_the_engine_renamed(self, shop_bundle, tmp_path, monkeypatch):
        body = (
            "(out,) = [a.split('=', 1)[1] for a in sys.argv if a.startswith('--saveEngine=')]\n"
            "open(out, 'w').write(chr(10).join(sys.argv[1:]))"
        )
        self.program(tmp_path, monkeypatch, body)
        output = tmp_path / "m.plan"
        assert main(["build", str(shop_bundle), "-o", str(output), "--trtexec"]) == 0
        words = output.read_text().split("\n")
        assert f"--onnx={shop_bundle / 'model.onnx'}" in words
        assert "--maxShapes=user:1024,items:1024x3,price:1024x2" in words
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_its_failure_is_ours(self, shop_bundle, tmp_path, monkeypatch, capsys):
        self.program(tmp_path, monkeypatch, "sys.exit(3)")
        output = tmp_path / "m.plan"
        output.write_text("older")
        arguments = ["build", str(shop_bundle), "-o", str(output), "--trtexec", "--force"]
        assert main(arguments) == 1
        assert "trtexec ended with status 3" in capsys.readouterr().err
        assert output.read_text() == "older"

    def test_without_it(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("hps_trt.engine.trtexec.USUAL_PLACE", tmp_path / "trtexec")
        with pytest.raises(UserError, match="print the line with --dry-run"):
            engine.find_trtexec()


def fake_tensorrt(version: str, record: list, *, registry_takes: bool = True, **answers):
    """A `tensorrt` that records calls; `answers`: parse (bool), plan (bytes or None)."""
    trt = types.ModuleType("tensorrt")
    trt.__version__ = version
    creators: list = []

    class ILogger:
        INTERNAL_ERROR, ERROR, WARNING = range(3)

    class IProgressMonitor:
        pass

    class Registry:
        all_creators = creators

        def load_library(self, path):
            record.append(("load_library", path))
            if registry_takes:
                creators.append(types.SimpleNamespace(name="HPS_TRT"))

    class Network:
        pass

    class Profile:
        def set_shape(self, *shape):
            record.append(("set_shape", *shape))

    class Config:
        progress_monitor = None

        def set_memory_pool_limit(self, pool, size):
            record.append(("workspace", pool, size))

        def add_optimization_profile(self, profile):
            return 0

    class Builder:
        def __init__(self, logger):
            self.logger = logger

        def create_network(self, flags):
            record.append(("create_network", flags))
            return Network()

        def create_builder_config(self):
            return Config()

        def create_optimization_profile(self):
            return Profile()

        def build_serialized_network(self, network, config):
            monitor = config.progress_monitor
            monitor.phase_start("Tactics", None, 2)
            assert monitor.step_complete("Tactics", 0)
            monitor.phase_finish("Tactics")
            plan = answers.get("plan", b"engine")
            if plan is None:
                self.logger.log(ILogger.WARNING, "a warning")
                self.logger.log(ILogger.ERROR, "no implementation\nfor node /x")
            return plan

    class OnnxParser:
        num_errors = 1

        def __init__(self, network, logger):
            pass

        def parse_from_file(self, path):
            record.append(("parse", path))
            return answers.get("parse", True)

        def get_error(self, index):
            return types.SimpleNamespace(
                desc=lambda: "no importer\nfor it",
                node_name=lambda: "/x",
                node_operator=lambda: "Foo",
            )

    trt.ILogger, trt.IProgressMonitor, trt.Builder = ILogger, IProgressMonitor, Builder
    trt.OnnxParser = OnnxParser
    trt.get_plugin_registry = Registry
    trt.MemoryPoolType = types.SimpleNamespace(WORKSPACE="pool")
    if not version.startswith("11"):
        trt.NetworkDefinitionCreationFlag = types.SimpleNamespace(STRONGLY_TYPED=1)
    return trt


class TestPythonApi:
    def build(self, monkeypatch, graph, trt, **options):
        monkeypatch.setitem(sys.modules, "tensorrt", trt)
        steps: list = []
        profile = engine.make_profile(graph, ["batch=1,8,16"])
        plan = engine.build(
            graph, profile, Path("/lib.so"), lambda *step: steps.append(step), **options
        )
        return bytes(plan), steps

    @pytest.mark.parametrize(("version", "flags"), [("10.0.1", 2), ("10.16.1", 2), ("11.4.0", 0)])
    def test_the_calls(self, monkeypatch, graph, version, flags):
        record: list = []
        trt = fake_tensorrt(version, record)
        plan, steps = self.build(monkeypatch, graph, trt, workspace=1 << 20)
        assert plan == b"engine"
        assert record == [
            ("load_library", "/lib.so"),
            ("create_network", flags),
            ("parse", str(graph.path)),
            ("workspace", "pool", 1 << 20),
            ("set_shape", "user", (1,), (8,), (16,)),
            ("set_shape", "items", (1, 3), (8, 3), (16, 3)),
            ("set_shape", "price", (1, 2), (8, 2), (16, 2)),
        ]
        assert steps == [("Tactics", 0, 2), ("Tactics", 1, 2), ("Tactics", 2, 2)]

    def test_a_graph_without_lookups_loads_no_plugin(self, monkeypatch, shop_bundle):
        record: list = []
        self.build(monkeypatch, engine.dense_graph(shop_bundle), fake_tensorrt("11.0.0", record))
        assert record[0][0] == "create_network"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"plan": None}, "TensorRT built no engine: no implementation for node /x"),
            (
                {"parse": False},
                "TensorRT's parser refused it: node '/x' \\(Foo\\): no importer for it",
            ),
            ({"registry_takes": False}, "did not take the plugin, and gave no reason"),
        ],
    )
    def test_failures_are_told_in_its_words(self, monkeypatch, graph, options, message):
        with pytest.raises(HpsError, match=message):
            self.build(monkeypatch, graph, fake_tensorrt("11.4.0", [], **options))

    def test_old_releases(self, monkeypatch, graph):
        with pytest.raises(UserError, match=r"TensorRT 8\.6\.1 is too old"):
            self.build(monkeypatch, graph, fake_tensorrt("8.6.1", []))

    def test_without_tensorrt(self, monkeypatch, graph):
        monkeypatch.setitem(sys.modules, "tensorrt_bindings", None)
        with pytest.raises(UserError, match=r"tensorrt.* (not installed|cannot be imported)"):
            self.build(monkeypatch, graph, None)

    def test_the_command_writes_the_engine(self, monkeypatch, shop_bundle, tmp_path, capsys):
        monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt("11.4.0", []))
        (tmp_path / "lib.so").touch()
        monkeypatch.setenv("HPS_TRT_LIBRARY", str(tmp_path / "lib.so"))
        output = tmp_path / "m.plan"
        assert main(["build", str(shop_bundle), "-o", str(output), "--json"]) == 0
        assert output.read_bytes() == b"engine"
        report = json.loads(capsys.readouterr().out)
        assert report["bytes"] == 6
        assert main(["build", str(shop_bundle), "-o", str(output)]) == 1
        assert "exists already" in capsys.readouterr().err


class TestCommand:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--static-plugins"], "--static-plugins goes with --trtexec"),
            (["--compute-capability", "89"], "--compute-capability goes with --tensorrt-rtx"),
            (["--trtexec", "--workspace", "64"], "--workspace does not go with --trtexec"),
            (["--default-range", "1x2,1x2,1x2"], "--default-range: three numbers are needed"),
        ],
    )
    def test_options_that_do_not_go_together(self, shop_bundle, tmp_path, capsys, options, message):
        assert main(["build", str(shop_bundle), "-o", str(tmp_path / "m.plan"), *options]) == 1
        assert message in capsys.readouterr().err

    def test_dry_run_writes_nothing(self, shop_bundle, tmp_path, capsys):
        output = tmp_path / "m.plan"
        assert main(["build", str(shop_bundle), "-o", str(output), "--dry-run"]) == 0
        assert "would be built of" in capsys.readouterr().out
        assert not output.exists()


def test_a_file_whose_name_promises_another_format_is_no_traceback(tmp_path):
    graph = tmp_path / "model.json"
    graph.write_text("{not a model")
    with pytest.raises(UserError, match=r"model\.json: not an ONNX model"):
        engine.open_graph(graph)


def test_a_folder_named_like_the_package_is_not_the_package(monkeypatch, tmp_path):
    (tmp_path / "tensorrt").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    with pytest.raises(UserError, match=r"tensorrt is not installed"):
        builder._import("tensorrt", "install it")
