"""Local functions of a model: not searched, but a lookup inside one is reported."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from hps_trt.surgery.findings import Refusal
from hps_trt.surgery.model import Model, Scope, constant_tensor, subgraphs
from hps_trt.surgery.rules.base import DTYPES

_RULE = "function"


def function_refusals(model: Model) -> Iterator[Refusal]:
    """A refusal for every call of a local function that looks up in a float table of rank 2.

    Covers tables passed to the function and constants inside it, one call deep.
    """
    functions = {(function.domain, function.name): function for function in model.proto.functions}
    if not functions:
        return
    for scope in model.scopes():
        for node in scope.nodes:
            function = functions.get((node.proto.domain, node.proto.op_type))
            if function is None:
                continue
            for name in _gathered(function):
                table = _table(scope, function, name, node.inputs)
                if table is not None:
                    yield Refusal(
                        node=node.label,
                        op=node.op,
                        initializer=table or None,
                        rule=_RULE,
                        reason=f"the lookup is inside the local function '{function.name}'; "
                        "inline it first, for example with onnx.inliner.inline_local_functions",
                        scope=scope.path,
                    )


def _gathered(function: onnx.FunctionProto) -> list[str]:
    """Data inputs of the Gathers in a function."""
    names: list[str] = []
    stack = list(function.node)
    while stack:
        node = stack.pop()
        if node.op_type in ("Gather", "GatherND") and node.domain in ("", "ai.onnx") and node.input:
            names.append(node.input[0])
        for _, graph in subgraphs(node):
            stack.extend(graph.node)
    return list(dict.fromkeys(names))


def _table(
    scope: Scope, function: onnx.FunctionProto, name: str, arguments: tuple[str, ...]
) -> str | None:
    """Label of the table that `name` is in this call ("" for one inside the function), or None."""
    formal = list(function.input)
    if name in formal and formal.index(name) < len(arguments):
        constant = scope.constant(arguments[formal.index(name)])
        return constant.label if constant is not None and _is_table(constant.tensor) else None
    for node in function.node:
        if node.op_type == "Constant" and name in node.output:
            tensor = constant_tensor(node)
            return "" if tensor is not None and _is_table(tensor) else None
    return None


def _is_table(tensor: onnx.TensorProto) -> bool:
    return tensor.data_type in DTYPES and len(tensor.dims) == 2
