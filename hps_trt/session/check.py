"""Compares a bundle with the model it came from: same inputs, every row and every output."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hps_trt import bundle as bundles
from hps_trt import surgery
from hps_trt.errors import HpsError, UserError
from hps_trt.progress import Progress, silent
from hps_trt.session.inputs import input_ranges
from hps_trt.session.ort import (
    BundleSession,
    ExtraOutput,
    checked_feed,
    graph_inputs,
    make_session,
    open_session,
    runtime_errors,
)

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnxruntime


@dataclass
class Comparison:
    """One tensor over all batches."""

    name: str
    kind: str  # "rows" of a lookup, or "output" of the graph
    table: str | None = None
    elements: int = 0
    different: int = 0  # elements whose bits differ
    outside: int = 0  # of those, the ones beyond the tolerance (all of them without one)
    max_difference: float = 0.0  # largest absolute one among numbers
    first: str | None = None  # where the first difference is

    @property
    def equal(self) -> bool:
        """Bit-equal, or for outputs within the tolerance that was asked for."""
        return self.outside == 0


@dataclass(frozen=True)
class CheckResult:
    """What a check found."""

    batches: int
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def equal(self) -> bool:
        """Whether everything that was compared is equal."""
        return all(comparison.equal for comparison in self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """The result for machines."""
        tensors = [{**vars(one), "equal": one.equal} for one in self.comparisons]
        return {
            "equal": self.equal,
            "batches": self.batches,
            "tensors": tensors,
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Settings:
    """How much is compared, and how."""

    batches: int = 20
    batch_size: int = 64
    seed: int = 0
    rtol: float | None = None  # None and None: outputs must be bit-equal, as rows always must
    atol: float | None = None


def check(
    folder: Path,
    original: Path,
    settings: Settings = Settings(),
    *,
    feeds: "Sequence[Mapping[str, np.ndarray]] | None" = None,
    progress: Progress = silent,
) -> CheckResult:
    """Runs both models on the same inputs and compares rows and outputs.

    Args:
        folder: the bundle.
        original: the model it came from.
        settings: how much is compared.
        feeds: inputs to be used; None makes random ones (see `InputRanges`).
        progress: told the batches done.

    Raises:
        UserError: the models are not two forms of one, or inputs cannot be made up.
        HpsError: a model, a table or a run fails.
        hps_trt.surgery.SurgeryError: the original cannot be read.
    """
    bundles.read_manifest(folder)
    model = surgery.load(original)
    if original.samefile(folder / bundles.MODEL_FILE):
        raise UserError(f"{original} is the bundle's own graph; give the model it was made from")
    findings = surgery.find(model)
    bundle_graph = _read(folder / bundles.MODEL_FILE)
    rows, notes = _common_rows(findings, bundle_graph)
    notes += _other_model(folder / bundles.PLAN_FILE, findings)
    # A model may have lookups of HPS already: nodes of version "1" need the library as well.
    served = any(node.op_type == "HPS_TRT" for node in model.proto.graph.node)
    first = make_session(original, plugin=served, extra_outputs=_extra(model.proto, rows))
    with open_session(folder, extra_outputs=_extra(bundle_graph, rows)) as second:
        tables = {one.name: lookup.table for one, lookup in rows.items()}
        _same_interface(first, second, set(tables))
        comparisons = [
            Comparison(name, "rows" if name in tables else "output", tables.get(name))
            for name in (output.name for output in first.get_outputs())
        ]
        batches = _feeds(model.proto, findings, settings) if feeds is None else iter(feeds)
        total = settings.batches if feeds is None else len(feeds)
        for number, feed in enumerate(batches):
            _compare_batch(first, second, feed, comparisons, (number, settings, original))
            progress("comparing", number + 1, total)
    if not any(one.elements or one.outside for one in comparisons):
        raise UserError(f"{folder}: nothing was compared: the inputs give empty tensors only")
    return CheckResult(total, tuple(comparisons), tuple(notes))


def _compare_batch(
    first: "onnxruntime.InferenceSession",
    second: BundleSession,
    feed: "Mapping[str, np.ndarray]",
    comparisons: list[Comparison],
    context: tuple[int, Settings, Path],
) -> None:
    number, settings, original = context
    names = [comparison.name for comparison in comparisons]
    with runtime_errors(f"{original}, batch {number}"):
        wanted = first.run(names, checked_feed(first, feed))
    given = second.run(feed)
    for comparison, one in zip(comparisons, wanted, strict=True):
        tolerance = settings if comparison.kind == "output" else Settings()
        compare(comparison, one, given[comparison.name], number, tolerance)


def compare(into: Comparison, wanted: Any, given: Any, batch: int, settings: Settings) -> None:
    """Adds one batch of one tensor to its comparison."""
    import numpy as np

    if not (isinstance(wanted, np.ndarray) and isinstance(given, np.ndarray)):
        raise UserError(f"output '{into.name}' is no tensor, which cannot be compared")
    if wanted.shape != given.shape or wanted.dtype != given.dtype:
        into.outside += 1
        into.first = into.first or (
            f"batch {batch}: {wanted.dtype}{list(wanted.shape)} in the original, "
            f"{given.dtype}{list(given.shape)} in the bundle"
        )
        return
    into.elements += wanted.size
    different = _different(wanted, given)
    count = int(different.sum())
    if not count:
        return
    into.different += count
    outside = different
    if wanted.dtype.kind in "fiu":
        a, b = wanted.astype(np.float64), given.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            distance = np.abs(a - b)[different]
        finite = distance[np.isfinite(distance)]
        into.max_difference = max(into.max_difference, float(finite.max(initial=0.0)))
        if settings.rtol is not None or settings.atol is not None:
            close = np.isclose(
                b, a, rtol=settings.rtol or 0.0, atol=settings.atol or 0.0, equal_nan=True
            )
            outside = different & ~close
    into.outside += int(outside.sum())
    if into.first is None and outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        into.first = f"batch {batch} at {list(place)}: {wanted[place]!s} and {given[place]!s}"


def _different(wanted: "np.ndarray", given: "np.ndarray") -> "np.ndarray":
    """Where the bits differ: NaNs with the same bits are equal, 0.0 and -0.0 are not."""
    import numpy as np

    if wanted.dtype.kind not in "fiub":
        return np.asarray(wanted != given)
    bits = np.dtype(f"u{wanted.dtype.itemsize}")
    return np.asarray(
        np.ascontiguousarray(wanted).view(bits) != np.ascontiguousarray(given).view(bits)
    )


def _feeds(
    model: "onnx.ModelProto", findings: "surgery.Findings", settings: Settings
) -> "Iterator[dict[str, np.ndarray]]":
    ranges = input_ranges(model, findings.lookups)
    for batch in range(settings.batches):
        yield ranges.draw(settings.seed, batch, settings.batch_size)


Rows = dict[ExtraOutput, "surgery.Lookup"]


def _common_rows(findings: "surgery.Findings", bundle: "onnx.ModelProto") -> tuple[Rows, list[str]]:
    """Row tensors that both main graphs have; and what cannot be compared by itself."""
    given = {
        output for node in bundle.graph.node if node.op_type == "HPS_TRT" for output in node.output
    }
    rows: Rows = {}
    hidden = []
    for found in findings.lookups:
        if found.output in given:
            rows[ExtraOutput(found.output, widened=found.dtype == "bf16")] = found
        else:
            hidden.append(found.name)
    if not hidden:
        return rows, []
    more = f" and {len(hidden) - 3} more" if len(hidden) > 3 else ""
    note = (
        f"rows of {', '.join(hidden[:3])}{more} are compared through the outputs only: "
        "they are not of the main graph, or stayed in the model"
    )
    return rows, [note]


def _other_model(plan_file: Path, findings: "surgery.Findings") -> list[str]:
    """A note when the bundle's plan says that it was made from another model."""
    try:
        plan = surgery.Plan.load(plan_file)
    except surgery.SurgeryError:
        return []  # a bundle serves without its plan
    if plan.fingerprint == findings.fingerprint:
        return []
    return [f"{plan_file} was made for another model than this one (other nodes, names or extents)"]


def _extra(model: "onnx.ModelProto", rows: Rows) -> list[ExtraOutput]:
    outputs = {output.name for output in model.graph.output}
    return [one for one in rows if one.name not in outputs]


def _read(path: Path) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise HpsError(f"{path}: not an ONNX model, or a damaged one") from error


def _same_interface(
    first: "onnxruntime.InferenceSession", second: BundleSession, rows: set[str]
) -> None:
    for what, one, two in (
        ("inputs", graph_inputs(first), graph_inputs(second.session)),
        ("outputs", _outputs(first, rows), _outputs(second.session, rows)),
    ):
        if one != two:
            raise UserError(
                f"{second.folder} was not made from this model: it has the {what} "
                f"{_listed(two)}; the model has {_listed(one)}"
            )


def _outputs(session: "onnxruntime.InferenceSession", rows: set[str]) -> tuple[Any, ...]:
    return tuple(
        (output.name, output.type) for output in session.get_outputs() if output.name not in rows
    )


def _listed(values: Sequence[Any]) -> str:
    text = ", ".join(str(getattr(value, "name", None) or value[0]) for value in values[:6])
    return text + (", ..." if len(values) > 6 else "")
