"""Small constants as numbers, and questions about values that several rules ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.external import is_external, locate
from hps_trt.surgery.model import Constant, Scope

_SMALL_ELEMENTS = 1 << 16
_FLOATS = (
    onnx.TensorProto.FLOAT,
    onnx.TensorProto.FLOAT16,
    onnx.TensorProto.BFLOAT16,
    onnx.TensorProto.DOUBLE,
)
_STEPS = 64


def small_array(scope: Scope, name: str, most: int = _SMALL_ELEMENTS) -> NDArray[Any] | None:
    """The value of a constant of at most `most` elements, or None.

    None too for a constant that a caller may override, whose data cannot be read or does not fit
    its extents, and for strings.
    """
    constant = scope.constant(name)
    if constant is None or constant.scope.overridable(constant):
        return None
    tensor = constant.tensor
    count = 1
    for extent in tensor.dims:
        count *= extent
    if not 0 <= count <= most or tensor.data_type == onnx.TensorProto.STRING:
        return None
    try:
        return np.asarray(numpy_helper.to_array(_inlined(tensor, scope.source_dir)))
    except (ValueError, TypeError, KeyError, OSError, SurgeryError):
        return None


def _inlined(tensor: onnx.TensorProto, source_dir: Path | None) -> onnx.TensorProto:
    if not is_external(tensor):
        return tensor
    extent = locate(tensor, source_dir)
    with extent.path.open("rb") as file:
        file.seek(extent.offset)
        data = file.read(extent.length)
    return onnx.TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=data)


def type_name(elem_type: int) -> str:
    """ONNX's name of an element type."""
    names: dict[int, str] = {number: name for name, number in onnx.TensorProto.DataType.items()}
    return names.get(elem_type, f"number {elem_type}")


def scalar(scope: Scope, name: str) -> int | float | None:
    """The value of a rank-0 numeric constant, or None."""
    array = small_array(scope, name, most=1)
    if array is None or array.shape != () or array.dtype.kind not in "iuf":
        return None
    value: int | float = array.item()
    return value


def depends_on_constants_only(scope: Scope, name: str) -> Constant | None:
    """The float rank-2 initializer that `name` is computed from, when nothing but constants enters.

    Looks back over at most 64 nodes.
    """
    found: Constant | None = None
    stack = [(scope, name)]
    seen: set[tuple[str, str]] = set()
    while stack:
        here, tensor = stack.pop()
        owner = here.owner(tensor)
        if owner is None or len(seen) > _STEPS:
            return None
        if (owner.path, tensor) in seen:
            continue
        seen.add((owner.path, tensor))
        constant = owner.constant(tensor)
        if constant is not None:
            if len(constant.tensor.dims) == 2 and constant.tensor.data_type in (
                *_FLOATS,
                onnx.TensorProto.INT8,
                onnx.TensorProto.UINT8,
            ):
                found = constant
            continue
        node = owner.producers.get(tensor)
        if node is None:
            return None
        stack.extend((owner, read) for read in node.reads)
    return found
