"""What rules share: their answers, and what makes a tensor a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import onnx

from hps_trt.surgery.model import Constant, Node, Scope
from hps_trt.surgery.op import MAX_DIM
from hps_trt.surgery.values import depends_on_constants_only, type_name

DTYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "fp32",
    onnx.TensorProto.FLOAT16: "fp16",
    onnx.TensorProto.BFLOAT16: "bf16",
}
_NARROW_FLOATS = {
    getattr(onnx.TensorProto, name)
    for name in (
        "DOUBLE",
        "FLOAT8E4M3FN",
        "FLOAT8E4M3FNUZ",
        "FLOAT8E5M2",
        "FLOAT8E5M2FNUZ",
        "FLOAT4E2M1",
        "FLOAT8E8M0",
    )
    if hasattr(onnx.TensorProto, name)
}

OUT_OF_RANGE = (
    "an id outside -{rows}..{last} made the original fail; here it gives the table's default vector"
)


@dataclass(frozen=True)
class Refused:
    """Why a node that looks like a lookup stays."""

    reason: str
    table: Constant | None = None


@dataclass(frozen=True)
class Ids:
    """The ids of a lookup, in the scope of the lookup.

    Attributes:
        tensor: their name.
        column: column of the tensor's last axis, or -1 for all of it.
        nodes: nodes stripped so far.
        differences: ids for which the stripped nodes did something else.
        rules: names of the index rules that stripped something.
    """

    tensor: str
    column: int = -1
    nodes: tuple[Node, ...] = ()
    differences: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def step(self, rule: str, tensor: str, nodes: tuple[Node, ...], difference: str = "") -> Ids:
        """The ids before `nodes`, which `rule` strips."""
        return replace(
            self,
            tensor=tensor,
            nodes=self.nodes + nodes,
            differences=self.differences + ((difference,) if difference else ()),
            rules=(*self.rules, rule),
        )


@dataclass(frozen=True)
class Match:
    """A lookup: rows of `table` picked by `ids`, in place of the last of `nodes`' outputs.

    Attributes:
        table: the rank-2 constant that holds the rows.
        ids: where the ids are.
        index_mode: "onnx" or "key".
        nodes: the matched nodes; the first makes the rows and is always replaced.
        differences: inputs or rows for which the original did something else.
    """

    table: Constant = field(repr=False)
    ids: Ids
    index_mode: str
    nodes: tuple[Node, ...] = field(repr=False)
    differences: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows of the table."""
        return int(self.table.tensor.dims[0])

    @property
    def dim(self) -> int:
        """Elements of a row."""
        return int(self.table.tensor.dims[1])


class LookupRule(Protocol):
    """Recognises one kind of lookup."""

    name: str

    def match(self, node: Node) -> Match | Refused | None:
        """Looks at one node of a graph; see the package's docstring."""


class IndexRule(Protocol):
    """Strips one kind of index computation."""

    name: str

    def strip(self, scope: Scope, ids: Ids, match: Match) -> Ids | None:
        """The ids of the lookup `match` one step further back, or None."""


def find_table(scope: Scope, name: str) -> Constant | Refused | None:
    """The table behind a tensor.

    Returns:
        The constant; a refusal for float data that cannot be a table; None for what nobody would
        take for one (integer data, activations).
    """
    constant = scope.constant(name)
    if constant is None:
        return _not_constant(scope, name)
    kind = constant.tensor.data_type
    if kind in _NARROW_FLOATS:
        return Refused(f"rows of type {type_name(kind)}; tables are fp32, fp16 or bf16", constant)
    if kind not in DTYPES:
        return None
    extents = list(constant.tensor.dims)
    if len(extents) != 2:
        return Refused(f"data of rank {len(extents)}; a table has rank 2", constant)
    if extents[0] < 1 or not 1 <= extents[1] <= MAX_DIM:
        return Refused(f"extents {extents}; a table has rows, and 1 to {MAX_DIM} columns", constant)
    if constant.scope.overridable(constant):
        return Refused(
            "the initializer is a graph input as well, so a caller may replace it; remove it "
            "from the "
            "inputs first",
            constant,
        )
    if constant.name in constant.scope.outputs or any(
        name in node.scope.outputs for node in constant.through for name in node.outputs
    ):
        return Refused("the table itself is an output of the graph", constant)
    return constant


def _not_constant(scope: Scope, name: str) -> Refused | None:
    owner = scope.owner(name)
    if owner is not None and name in owner.sparse:
        return Refused("the data is a sparse initializer")
    node = scope.producer(name)
    if node is None:
        return None
    source = depends_on_constants_only(scope, name)
    if source is None:
        return None
    return Refused(
        f"the table is computed in the graph, last by {node.op} '{node.label}'; fold constants "
        "first",
        source,
    )
