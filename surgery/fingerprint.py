"""A hash of what a model computes with, without the values of its tensors.

Two models with the same nodes, names and tensor extents have the same fingerprint, so a plan still
fits after the model was trained again, and fits no other model. How tensors are stored, doc
strings, metadata and value_info do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import onnx
from onnx import helper

from hps_trt.surgery.model import subgraphs


def fingerprint(proto: onnx.ModelProto) -> str:
    """64 hexadecimal digits."""
    digest = hashlib.sha256()
    for item in _items(proto):
        digest.update(repr(item).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _items(proto: onnx.ModelProto) -> Iterator[tuple[object, ...]]:
    for entry in sorted((entry.domain, entry.version) for entry in proto.opset_import):
        yield ("opset", *entry)
    yield from _graph(proto.graph)
    for function in proto.functions:
        yield ("function", function.domain, function.name, *function.input, *function.output)
        for node in function.node:
            yield from _node(node)


def _graph(graph: onnx.GraphProto) -> Iterator[tuple[object, ...]]:
    yield ("graph",)
    for kind, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            tensor = value.type.tensor_type
            extents = [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]
            yield (kind, value.name, tensor.elem_type, tensor.HasField("shape"), extents)
    for tensor in graph.initializer:
        yield ("initializer", tensor.name, *_tensor(tensor))
    for sparse in graph.sparse_initializer:
        yield ("sparse", sparse.values.name, list(sparse.dims), *_tensor(sparse.values))
    for node in graph.node:
        yield from _node(node)
    yield ("end",)


def _node(node: onnx.NodeProto) -> Iterator[tuple[object, ...]]:
    yield ("node", node.domain, node.op_type, node.name, list(node.input), list(node.output))
    for attribute in sorted(node.attribute, key=lambda item: item.name):
        if attribute.type == onnx.AttributeProto.TENSOR:
            yield ("tensor", attribute.name, *_tensor(attribute.t))
        elif attribute.type in (
            onnx.AttributeProto.INT,
            onnx.AttributeProto.INTS,
            onnx.AttributeProto.FLOAT,
            onnx.AttributeProto.FLOATS,
            onnx.AttributeProto.STRING,
            onnx.AttributeProto.STRINGS,
        ):
            value = helper.get_attribute_value(attribute)
            plain = list(value) if attribute.type > onnx.AttributeProto.GRAPH else value
            yield ("attribute", attribute.name, attribute.type, plain)
        else:
            yield ("attribute", attribute.name, attribute.type)
    for name, graph in subgraphs(node):
        yield ("subgraph", name)
        yield from _graph(graph)


def _tensor(tensor: onnx.TensorProto) -> tuple[object, ...]:
    return (tensor.data_type, list(tensor.dims))
