"""Cuts embedding lookups out of ONNX models: find, plan, apply.

    model = load(Path("model.onnx"))
    findings = find(model)                       what is a lookup, and why the rest is not
    plan = make_plan(findings, min_rows=1000)    readable, editable: Plan.save, Plan.load
    sources = table_sources(model, plan)         rows, streamed in blocks
    proto = apply(model, plan, Binding("hps.json", bundle_id, "dlrm"))
    save(proto, Path("out.onnx"), source_dir=Path("."))

Knows ONNX and the operator HPS_TRT (plugin_src/OPERATOR.md), and nothing else of this project.
Every failure is a `SurgeryError` of one line.
"""

from hps_trt.surgery.apply import Binding, apply, table_sources
from hps_trt.surgery.errors import SurgeryError
from hps_trt.surgery.find import find
from hps_trt.surgery.findings import Findings, Lookup, Refusal
from hps_trt.surgery.loading import load
from hps_trt.surgery.model import Model
from hps_trt.surgery.plan import Entry, Plan, make_plan
from hps_trt.surgery.save import save
from hps_trt.surgery.split import Split, split
from hps_trt.surgery.tables import TableSource

__all__ = [
    "Binding",
    "Entry",
    "Findings",
    "Lookup",
    "Model",
    "Plan",
    "Refusal",
    "Split",
    "SurgeryError",
    "TableSource",
    "apply",
    "find",
    "load",
    "make_plan",
    "save",
    "split",
    "table_sources",
]
