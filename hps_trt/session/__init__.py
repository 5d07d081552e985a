"""Bundles in ONNX Runtime: open one, feed it, compare it with the model it came from."""

from hps_trt.session.check import CheckResult, Comparison, check
from hps_trt.session.inputs import InputRanges, input_ranges
from hps_trt.session.ort import BundleSession, checked_feed, make_session, open_session

__all__ = [
    "BundleSession",
    "CheckResult",
    "Comparison",
    "InputRanges",
    "check",
    "checked_feed",
    "input_ranges",
    "make_session",
    "open_session",
]
