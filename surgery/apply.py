"""Applies a plan: the planned lookups leave the graph and HPS_TRT nodes take their place.

Lookups of one graph that do not depend on each other's rows share one node. Tensors keep their
names; graph inputs and outputs stay exactly as they are; what only the replaced nodes needed goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import onnx

from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.find import Found, search
from hps_trt.surgery.findings import Lookup
from hps_trt.surgery.fingerprint import fingerprint
from hps_trt.surgery.model import Model
from hps_trt.surgery.plan import Plan, nearest
from hps_trt.surgery.rewrite import rewrite
from hps_trt.surgery.tables import TableSource


@dataclass(frozen=True)
class Binding:
    """What ties the new nodes to their tables; the fields are attributes of OPERATOR.md."""

    config_file: str
    bundle_id: str
    model_name: str


def apply(model: Model, plan: Plan, binding: Binding) -> onnx.ModelProto:
    """The model with the plan's lookups replaced; `model` itself does not change.

    Returns:
        A model whose kept external tensors still name the files of the source.

    Raises:
        SurgeryError: the plan was made for another model, or an entry does not match what is there.
    """
    chosen = choose(model, plan)
    return rewrite(model, chosen, binding.config_file, binding.bundle_id, binding.model_name)


def table_sources(model: Model, plan: Plan) -> dict[str, TableSource]:
    """The tables of a plan's active lookups, by planned name, in the order of their first lookup.

    Raises:
        SurgeryError: as `apply`.
    """
    sources: dict[str, TableSource] = {}
    for found in choose(model, plan):
        lookup = found.lookup
        sources.setdefault(
            lookup.table,
            TableSource(
                name=lookup.table,
                initializer=lookup.initializer,
                rows=lookup.rows,
                dim=lookup.dim,
                dtype=lookup.dtype,
                _tensor=found.match.table.tensor,
                _source_dir=model.source_dir,
            ),
        )
    return sources


def choose(model: Model, plan: Plan) -> list[Found]:
    """The planned lookups as they are found in the model, with the plan's table names.

    Raises:
        SurgeryError: as `apply`.
    """
    plan.check()
    if plan.fingerprint != fingerprint(model.proto):
        raise SurgeryError(
            f"the plan was made for another model than {model.source} (fingerprint "
            f"{plan.fingerprint[:16]}...); make a new plan"
        )
    found, refused = search(model)
    by_output = {(item.lookup.scope, item.lookup.output): item for item in found}
    active = {(lookup.scope, lookup.output) for lookup in plan.active()}
    chosen: list[Found] = []
    for entry in plan.entries:
        lookup = entry.lookup
        item = by_output.get((lookup.scope, lookup.output))
        if item is None:
            reasons = [refusal.reason for refusal in refused if refusal.node in lookup.nodes]
            because = f": {reasons[0]}" if reasons else ""
            names = [other.lookup.output for other in found]
            raise SurgeryError(
                f"plan: lookup '{lookup.name}' with output '{lookup.output}' is not in "
                f"{model.source}"
                f"{because}{nearest(lookup.output, names)}"
            )
        _compare(lookup, item.lookup)
        if (lookup.scope, lookup.output) in active:
            chosen.append(Found(lookup, item.match))
    return chosen


def _compare(planned: Lookup, found: Lookup) -> None:
    for name in (field.name for field in fields(Lookup)):
        if name == "table":
            continue
        have, want = getattr(planned, name), getattr(found, name)
        if have != want:
            raise SurgeryError(
                f"plan: lookup '{planned.name}': {name} is {_plain(have)} in the plan and "
                f"{_plain(want)} in "
                "the model; only table, enabled and min_rows may be edited"
            )


def _plain(value: object) -> object:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
