"""Configurations and tables on disk, written with numpy alone."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from hps_trt.native import Service

NUMPY = {"fp32": np.float32, "fp16": np.float16, "bf16": ml_dtypes.bfloat16, "int8": np.int8}


def write_table(
    folder: Path,
    rows: np.ndarray,
    *,
    keys: np.ndarray | None = None,
    scales: np.ndarray | None = None,
) -> None:
    """Each file is replaced as a whole, as a deployment would."""
    folder.mkdir(parents=True, exist_ok=True)
    dense = np.arange(len(rows), dtype=np.int64)
    files = {"emb_vector": rows, "key": dense if keys is None else keys.astype(np.int64)}
    if scales is not None:
        files["scale"] = scales.astype(np.float32)
    for name, data in files.items():
        aside = folder / f"{name}.new"
        aside.write_bytes(np.ascontiguousarray(data).tobytes())
        aside.replace(folder / name)


def table_entry(
    name: str, rows: np.ndarray, dtype: str, *, hashed: bool = False, **settings: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"tables/{name}",
        "rows": rows.shape[0],
        "dim": rows.shape[1],
        "type": dtype,
        "keys": "hashed" if hashed else "dense",
        **settings,
    }


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration with one model "m" of one table "t"."""

    def make(
        rows: np.ndarray,
        dtype: str = "fp32",
        *,
        folder: str = "bundle",
        keys: np.ndarray | None = None,
        scales: np.ndarray | None = None,
        bundle_id: str | None = None,
        threads: int = 0,
        **settings: Any,
    ) -> Path:
        root = tmp_path / folder
        write_table(root / "tables" / "t", rows, keys=keys, scales=scales)
        entry = table_entry("t", rows, dtype, hashed=keys is not None, **settings)
        config: dict[str, Any] = {
            "format": "hps-trt/1",
            "threads": threads,
            "models": [{"name": "m", "tables": [entry]}],
        }
        if bundle_id is not None:
            config["bundle_id"] = bundle_id
        path = root / "hps.json"
        path.write_text(json.dumps(config))
        return path

    return make


@pytest.fixture
def open_table(make_config: Callable[..., Path]) -> Iterator[Callable[..., Service]]:
    """Opens what `make_config` writes; all is closed at the end."""
    services: list[Service] = []

    def make(rows: np.ndarray, dtype: str = "fp32", **options: Any) -> Service:
        services.append(Service.open(make_config(rows, dtype, **options)))
        return services[-1]

    yield make
    for service in services:
        service.close()


@pytest.fixture
def make_rows() -> Callable[..., np.ndarray]:
    """Random rows of a type; int8 ones over the whole range."""

    def make(count: int, dim: int, dtype: str = "fp32", seed: int = 0) -> np.ndarray:
        generator = np.random.default_rng(seed)
        if dtype == "int8":
            return generator.integers(-128, 128, (count, dim)).astype(np.int8)
        return (generator.standard_normal((count, dim)) * 50).astype(NUMPY[dtype])

    return make


@pytest.fixture
def rewrite_table() -> Callable[..., None]:
    """The function that replaces the files of a table."""
    return write_table
