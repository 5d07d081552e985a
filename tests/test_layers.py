"""Holds the layers of the design: includes and imports point down only."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a folder of plugin_src may include besides itself.
CPP_LAYERS = {
    "base": set(),
    "config": {"base"},
    "table": {"base", "config"},
    "store": {"base", "config", "table"},
    "lookup": {"base", "config", "table", "store"},
    "cuda": {"base"},
    "c_api": {"base", "config", "lookup"},
    "onnxruntime": {"base", "config", "lookup"},
    "tensorrt": {"base", "config", "lookup", "cuda"},
}
# External headers that one folder (or a few) may see.
CPP_OWNERS = {
    r"nlohmann/": {"config", "lookup", "c_api"},
    r"xxhash\.h": {"base"},
    r"NvInfer": {"tensorrt"},
    r"onnxruntime": {"onnxruntime"},
    r"(cuda|cuda_runtime|cuda_runtime_api|device_launch_parameters)\.h": {"cuda"},
}
# Lower number is lower layer; a module imports only lower layers and its own.
PYTHON_LAYERS = {
    "surgery": 0,
    "errors": 1,
    "progress": 1,
    "config": 1,
    "tables": 1,
    "bundle": 1,
    "demo": 1,
    "dlpack": 2,
    "native": 2,
    "session": 2,
    "engine": 2,
    "doctor": 2,
    "cli": 3,
}


def cpp_includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), flags=re.MULTILINE)


def cpp_violations(layer: str, includes: list[str]) -> list[str]:
    found = []
    for include in includes:
        folder = include.split("/")[0]
        if folder in CPP_LAYERS and folder != layer and folder not in CPP_LAYERS[layer]:
            found.append(f"{layer} includes {include}")
        for pattern, owners in CPP_OWNERS.items():
            if re.match(pattern, include) and layer not in owners:
                found.append(f"{layer} includes {include}, which belongs to {sorted(owners)}")
    return found


def python_imports(source: str) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.append(node.module or "")
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in names if name.startswith("hps_trt.")]


def python_violations(module: str, imports: list[str]) -> list[str]:
    found = []
    for name in imports:
        part = name.split(".")[1]
        if part.startswith("__"):
            continue
        if part not in PYTHON_LAYERS:
            found.append(f"{module} imports {name}, which is in no layer")
        elif PYTHON_LAYERS[part] > PYTHON_LAYERS[module]:
            found.append(f"{module} imports {name}, a higher layer")
    return found


@pytest.mark.parametrize("layer", sorted(CPP_LAYERS))
def test_includes_point_down(layer: str) -> None:
    files = [
        p
        for p in (ROOT / "plugin_src" / layer).rglob("*")
        if p.suffix in {".h", ".cpp", ".cu", ".cuh"}
    ]
    assert files, f"plugin_src/{layer} is empty"
    violations = [f"{p.name}: {v}" for p in files for v in cpp_violations(layer, cpp_includes(p))]
    assert violations == []


def test_every_folder_is_a_layer() -> None:
    folders = {p.name for p in (ROOT / "plugin_src").iterdir() if p.is_dir()}
    assert folders == set(CPP_LAYERS) | {"include"}


def test_python_imports_point_down() -> None:
    violations = []
    for path in sorted((ROOT / "hps_trt").rglob("*.py")):
        module = path.relative_to(ROOT / "hps_trt").parts[0].removesuffix(".py")
        if module == "__init__":
            continue
        assert module in PYTHON_LAYERS, f"{path} is in no layer: add it here"
        violations += [
            f"{path.name}: {v}" for v in python_violations(module, python_imports(path.read_text()))
        ]
    for path in sorted((ROOT / "surgery").rglob("*.py")):
        violations += [
            f"{path.name}: {v}"
            for v in python_violations("surgery", python_imports(path.read_text()))
        ]
    assert violations == []


def test_the_checks_can_fail() -> None:
    assert cpp_violations("base", ["store/store.h"]) == ["base includes store/store.h"]
    assert cpp_violations("lookup", ["NvInfer.h"])
    assert python_violations("surgery", ["hps_trt.bundle"])
    assert python_violations("bundle", ["hps_trt.native.load"])
    assert python_violations("cli", ["hps_trt.session"]) == []
