"""Types and shapes of a model's tensors, by ONNX's own shape inference.

Inference gets a skeleton of the model in which the large constants are only declared: nothing is
copied, models of any size pass, and external files need not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import onnx
from google.protobuf.message import DecodeError
from onnx import helper

_SMALL_ELEMENTS = 4096
_DECLARED_DOMAIN = "hps_trt.declared"

#: What bad graphs make the C++ inference throw.
_INFERENCE_ERRORS = (
    onnx.shape_inference.InferenceError,
    onnx.checker.ValidationError,
    ValueError,
    RuntimeError,
    IndexError,
    OverflowError,
    DecodeError,
)

Shape = tuple[int | str | None, ...]


@dataclass
class Types:
    """What is known of one graph's tensors; `children` by node position and attribute."""

    elem_types: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    children: dict[tuple[int, str], Types] = field(default_factory=dict)


def infer_types(proto: onnx.ModelProto) -> Types:
    """Types and shapes of all graphs of a model; what cannot be inferred is simply absent."""
    skeleton = onnx.ModelProto(ir_version=proto.ir_version)
    skeleton.opset_import.extend(proto.opset_import)
    imported = {entry.domain for entry in proto.opset_import}
    for domain in sorted({*_domains(proto.graph), _DECLARED_DOMAIN} - imported):
        if domain not in ("", "ai.onnx"):
            skeleton.opset_import.append(helper.make_opsetid(domain, 1))
    skeleton.functions.extend(proto.functions)
    _declare(proto.graph, skeleton.graph)
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, data_prop=True)
    except _INFERENCE_ERRORS:
        inferred = skeleton
    symbols = {
        dim.dim_param
        for value in _values(skeleton.graph)
        for dim in value.type.tensor_type.shape.dim
    }
    return _collect(proto.graph, inferred.graph, symbols)


def _declare(source: onnx.GraphProto, target: onnx.GraphProto) -> None:
    """Copies a graph, with its large constants as declarations."""
    target.name = source.name or "graph"
    target.input.extend(source.input)
    target.output.extend(source.output)
    target.value_info.extend(source.value_info)
    declared = {value.name for value in [*source.input, *source.value_info]}
    for tensor in source.initializer:
        if _is_small(tensor):
            target.initializer.append(tensor)
        elif tensor.name not in declared:
            target.value_info.append(_value(tensor.name, tensor))
    for tensor in source.sparse_initializer:
        if tensor.values.name not in declared:
            kind, extents = tensor.values.data_type, list(tensor.dims)
            target.value_info.append(
                helper.make_tensor_value_info(tensor.values.name, kind, extents)
            )
    for node in source.node:
        copy = target.node.add(op_type=node.op_type, domain=node.domain, name=node.name)
        copy.input.extend(node.input)
        copy.output.extend(node.output)
        for attribute in node.attribute:
            _declare_attribute(attribute, copy, target, declared)


def _declare_attribute(
    attribute: onnx.AttributeProto,
    copy: onnx.NodeProto,
    target: onnx.GraphProto,
    declared: set[str],
) -> None:
    if attribute.type == onnx.AttributeProto.TENSOR and not _is_small(attribute.t):
        if copy.op_type == "Constant" and len(copy.output) == 1 and copy.output[0] not in declared:
            target.value_info.append(_value(copy.output[0], attribute.t))
        copy.domain = _DECLARED_DOMAIN
        return
    if attribute.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        copy.attribute.append(attribute)
        return
    inner = copy.attribute.add(name=attribute.name, type=attribute.type)
    if attribute.type == onnx.AttributeProto.GRAPH:
        _declare(attribute.g, inner.g)
    for graph in attribute.graphs:
        _declare(graph, inner.graphs.add())


def _is_small(tensor: onnx.TensorProto) -> bool:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return False
    count = 1
    for extent in tensor.dims:
        count *= extent
    return 0 <= count <= _SMALL_ELEMENTS


def _value(name: str, tensor: onnx.TensorProto) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))


def _domains(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield node.domain
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _domains(attribute.g)
            for inner in attribute.graphs:
                yield from _domains(inner)


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from graph.input
    yield from graph.output
    yield from graph.value_info
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _values(attribute.g)
            for inner in attribute.graphs:
                yield from _values(inner)


def _collect(source: onnx.GraphProto, inferred: onnx.GraphProto, symbols: set[str]) -> Types:
    """Reads an inferred graph; symbols that inference made up are unknown extents."""
    types = Types()
    for value in [*inferred.value_info, *inferred.input, *inferred.output]:
        if not value.type.HasField("tensor_type"):
            continue
        tensor_type = value.type.tensor_type
        if tensor_type.elem_type:
            types.elem_types[value.name] = tensor_type.elem_type
        if tensor_type.HasField("shape"):
            types.shapes[value.name] = tuple(
                dim.dim_value
                if dim.HasField("dim_value")
                else (dim.dim_param if dim.dim_param in symbols and dim.dim_param else None)
                for dim in tensor_type.shape.dim
            )
    for tensor in source.initializer:
        types.elem_types[tensor.name] = tensor.data_type
        types.shapes[tensor.name] = tuple(tensor.dims)
    for index, (node, inferred_node) in enumerate(zip(source.node, inferred.node, strict=True)):
        by_name = {attribute.name: attribute for attribute in inferred_node.attribute}
        for attribute in node.attribute:
            other = by_name.get(attribute.name)
            if other is None:
                continue
            if attribute.type == onnx.AttributeProto.GRAPH:
                types.children[(index, attribute.name)] = _collect(attribute.g, other.g, symbols)
            for position, graph in enumerate(attribute.graphs):
                key = (index, f"{attribute.name}[{position}]")
                types.children[key] = _collect(graph, other.graphs[position], symbols)
    return types
