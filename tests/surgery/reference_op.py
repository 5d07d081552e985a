"""An independent reading of plugin_src/OPERATOR.md: version "2" lookups in numpy, and as plain
ONNX.

`evaluate` runs a rewritten model with onnx.reference and this numpy operator. `expand` writes the
plain lookups out as ONNX nodes with the tables as initializers, so that ONNX Runtime runs the
model.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

_ROW_TYPES = {1: "float32", 10: "float16", 16: "bfloat16"}


def dtype_of(elem_type: int) -> np.dtype:
    return helper.tensor_dtype_to_np_dtype(elem_type)


def lookup_plain(
    table: np.ndarray, ids: np.ndarray, column: int, index_mode: int, elem_type: int
) -> np.ndarray:
    """Layout 0 without an ignored id: rows of `table`, zeros for keys that it does not hold."""
    keys = np.asarray(ids[..., column] if column >= 0 else ids, dtype=np.int64)
    rows, dim = table.shape
    if index_mode == 1:
        keys = np.where((keys < 0) & (keys >= -rows), keys + rows, keys)
    held = (keys >= 0) & (keys < rows)
    out = np.zeros((*keys.shape, dim), dtype=dtype_of(elem_type))
    out[held] = table[keys[held]].astype(dtype_of(elem_type))
    return out


def make_op(tables: Mapping[str, np.ndarray]) -> type[OpRun]:
    """The operator over tables by name."""

    class HPS_TRT(OpRun):
        op_domain = "hps_trt"

        def _run(self, *inputs: np.ndarray, **attributes: Any) -> tuple[np.ndarray, ...]:
            assert attributes["plugin_version"] == "2"
            assert attributes["unresolved_output"] == 0
            for position, array in enumerate(inputs):
                assert array.dtype == dtype_of(attributes["input_types"][position])
            outputs: list[list[tuple[int, np.ndarray]]] = [[] for _ in attributes["output_types"]]
            for i, name in enumerate(attributes["tables"].split("\n")):
                assert attributes["layouts"][i] == attributes["combiners"][i] == 0
                assert attributes["has_ignored_ids"][i] == 0
                table = tables[name]
                assert table.shape[1] == attributes["dims"][i]
                output = attributes["outputs"][i]
                rows = lookup_plain(
                    table,
                    inputs[attributes["ids_inputs"][i]],
                    attributes["ids_columns"][i],
                    attributes["index_modes"][i],
                    attributes["output_types"][output],
                )
                outputs[output].append((attributes["output_columns"][i], rows))
            return tuple(
                np.concatenate([rows for _, rows in sorted(blocks, key=lambda b: b[0])], axis=-1)
                for blocks in outputs
            )

    return HPS_TRT


def evaluate(
    proto: onnx.ModelProto, tables: Mapping[str, np.ndarray], feeds: Mapping[str, np.ndarray]
) -> list[np.ndarray]:
    evaluator = ReferenceEvaluator(proto, new_ops=[make_op(tables)])
    return evaluator.run(None, dict(feeds))


def expand(proto: onnx.ModelProto, tables: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    """The model with every HPS_TRT node written out as ONNX nodes of opset 13 or later."""
    result = onnx.ModelProto()
    result.CopyFrom(proto)
    used: set[str] = set()
    _expand_graph(result.graph, tables, used)
    for name in sorted(used):
        table = tables[name]
        padded = np.concatenate([table, np.zeros((1, table.shape[1]), table.dtype)])
        result.graph.initializer.append(numpy_helper.from_array(padded, f"__table_{name}"))
    return result


def _expand_graph(graph: onnx.GraphProto, tables: Mapping[str, np.ndarray], used: set[str]) -> None:
    nodes = list(graph.node)
    copies = []
    for node in nodes:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        for attribute in copy.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _expand_graph(attribute.g, tables, used)
        if node.op_type == "HPS_TRT":
            copies.extend(_expand_node(graph, node, tables, used))
        else:
            copies.append(copy)
    del graph.node[:]
    graph.node.extend(copies)


def _expand_node(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    tables: Mapping[str, np.ndarray],
    used: set[str],
) -> list[onnx.NodeProto]:
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    names = values["tables"].decode().split("\n")
    nodes: list[onnx.NodeProto] = []
    assert sorted(values["outputs"]) == list(range(len(node.output)))
    for i, name in enumerate(names):
        used.add(name)
        rows = tables[name].shape[0]
        output = node.output[values["outputs"][i]]
        prefix = f"__{output}__"

        def make(op, inputs, tag, prefix=prefix, **attributes):
            nodes.append(helper.make_node(op, inputs, [prefix + tag], **attributes))
            return prefix + tag

        def number(value, tag, prefix=prefix):
            array = np.asarray(value, dtype=np.int64)
            graph.initializer.append(numpy_helper.from_array(array, prefix + tag))
            return prefix + tag

        ids = node.input[values["ids_inputs"][i]]
        if values["ids_columns"][i] >= 0:
            where = number(values["ids_columns"][i], "column")
            ids = make("Gather", [ids, where], "picked", axis=-1)
        ids = make("Cast", [ids], "ids64", to=7)
        zero, count = number(0, "zero"), number(rows, "rows")
        if values["index_modes"][i] == 1:
            wrapped = make("Add", [ids, count], "plus")
            ids = make("Where", [make("Less", [ids, zero], "neg"), wrapped, ids], "wrapped")
        low = make("Not", [make("Less", [ids, zero], "below")], "low")
        held = make("And", [low, make("Less", [ids, count], "above")], "held")
        ids = make("Where", [held, ids, count], "row")
        assert values["output_types"][values["outputs"][i]] in _ROW_TYPES
        nodes.append(helper.make_node("Gather", [f"__table_{name}", ids], [output], axis=0))
    return nodes
