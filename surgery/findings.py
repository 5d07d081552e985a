"""What `find` reports: lookups to replace, and candidates that stay, each with its reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Lookup:
    """One embedding lookup of a model.

    Attributes:
        name: unique name of the lookup in the model: where it stands.
        rule: the rule that found it, with the index rules that apply (`"gather+keras_index"`).
        table: suggested name of its table; lookups of one table share it.
        initializer: the tensor that holds the rows, with its scope in front in a subgraph.
        rows: number of rows.
        dim: elements of a row.
        dtype: "fp32", "fp16" or "bf16".
        ids: tensor that holds the ids.
        ids_dtype: "int32" or "int64".
        ids_path: how the ids come from an input, from the input on.
        ids_column: column of the last axis of `ids`, or -1 for the whole tensor.
        index_mode: "onnx" (-rows..-1 count from the end) or "key" (a negative id is a key like
            any).
        output: tensor that receives the rows.
        nodes: nodes that the lookup replaces; those that others still need stay in the graph.
        scope: path of the graph it stands in, "" for the main one.
        differences: inputs or rows for which the replaced nodes did something else.
    """

    name: str
    rule: str
    table: str
    initializer: str
    rows: int
    dim: int
    dtype: str
    ids: str
    ids_dtype: str
    ids_path: tuple[str, ...]
    ids_column: int
    index_mode: str
    output: str
    nodes: tuple[str, ...]
    scope: str
    differences: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


@dataclass(frozen=True)
class Refusal:
    """A node that looks like a lookup and stays as it is.

    Attributes:
        node: its name.
        op: its operator.
        initializer: the tensor it would have been a lookup in, when there is one.
        rule: the rule that looked at it.
        reason: why it stays.
        scope: path of the graph it stands in, "" for the main one.
    """

    node: str
    op: str
    initializer: str | None
    rule: str
    reason: str
    scope: str

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Findings:
    """Everything `find` has to say about a model.

    Attributes:
        lookups: in the order of the graphs and their nodes.
        refused: likewise.
        fingerprint: `fingerprint.fingerprint` of the model.
    """

    lookups: tuple[Lookup, ...]
    refused: tuple[Refusal, ...]
    fingerprint: str

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values, for `inspect --json`."""
        return {
            "lookups": [lookup.to_dict() for lookup in self.lookups],
            "refused": [refusal.to_dict() for refusal in self.refused],
        }
