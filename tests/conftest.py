"""Small models, and the command line, that tests of bundles and sessions share."""

import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hps_trt.cli.main import main

Run = Callable[..., tuple[int, str, str]]

TABLE_TYPES = {"fp32": TensorProto.FLOAT, "fp16": TensorProto.FLOAT16}


def _shop(
    path: Path,
    *,
    rows: tuple[int, int] = (50, 7),
    dims: tuple[int, int] = (8, 4),
    external: bool = False,
    user_rows: np.ndarray | None = None,
    seed: int = 3,
) -> SimpleNamespace:
    """A recommender with two lookups: users (int64, one id) and items (int32, three ids, summed).

    Inputs `user` int64 [batch], `items` int32 [batch, 3], `price` fp32 [batch, 2]; outputs `score`
    fp32 [batch, 1] and `user_rows` fp32 [batch, dim].
    """
    generator = np.random.default_rng(seed)
    users = generator.standard_normal((rows[0], dims[0])).astype(np.float32)
    if user_rows is not None:
        users = user_rows
    items = generator.standard_normal((rows[1], dims[1])).astype(np.float32)
    weight = generator.standard_normal((dims[0] + dims[1] + 2, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["users.weight", "user"], ["user_rows"], name="/users/Gather"),
        helper.make_node("Gather", ["items.weight", "items"], ["item_rows"], name="/items/Gather"),
        helper.make_node("ReduceSum", ["item_rows", "one"], ["basket"], keepdims=0),
        helper.make_node("Concat", ["user_rows", "basket", "price"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weight"], ["score"]),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "shop",
        [
            value("user", TensorProto.INT64, ["batch"]),
            value("items", TensorProto.INT32, ["batch", 3]),
            value("price", TensorProto.FLOAT, ["batch", 2]),
        ],
        [
            value("score", TensorProto.FLOAT, ["batch", 1]),
            value("user_rows", TensorProto.FLOAT, ["batch", users.shape[1]]),
        ],
        [
            numpy_helper.from_array(users, "users.weight"),
            numpy_helper.from_array(items, "items.weight"),
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([1], np.int64), "one"),
        ],
    )
    save(graph, path, external=external)
    return SimpleNamespace(path=path, users=users, items=items, weight=weight)


def save(graph: onnx.GraphProto, path: Path, *, external: bool = False) -> Path:
    """Writes a model of opset 17 that old runtimes read too."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 10
    onnx.checker.check_model(model)
    onnx.save(
        model,
        str(path),
        save_as_external_data=external,
        location=f"{path.name}.data",
        size_threshold=100,
    )
    return path


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[..., SimpleNamespace]:
    """Writes the model `_shop` describes to tmp_path/shop.onnx (or `name`)."""

    def make(name: str = "shop.onnx", **options: object) -> SimpleNamespace:
        return _shop(tmp_path / name, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def save_graph() -> Callable[..., Path]:
    """The function that writes a graph as a model."""
    return save


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in tmp_path; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        handler = signal.getsignal(signal.SIGTERM)
        try:
            code = main([str(word) for word in words])
        except SystemExit as leaving:
            assert isinstance(leaving.code, int)
            code = leaving.code
        finally:
            signal.signal(signal.SIGTERM, handler)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def mistake(cli: Run) -> Callable[..., str]:
    """Runs a command that must fail as every mistake does: exit code 1 and one line, given."""

    def run(*words: object) -> str:
        code, out, err = cli(*words)
        assert (code, out, err.count("\n")) == (1, "", 1), (code, out, err)
        assert err.startswith("hps-trt: error: ") and err.endswith("\n"), err
        return err.removeprefix("hps-trt: error: ").rstrip("\n")

    return run
