"""Builds TensorRT engines: by its Python API, by trtexec, or by TensorRT for RTX."""

from hps_trt.engine.builder import CAPABILITIES, BuildProgress, build, build_rtx
from hps_trt.engine.graph import Graph, dense_graph, open_graph
from hps_trt.engine.profiles import DEFAULT_RANGE, Profile, Range, make_profile
from hps_trt.engine.trtexec import command, find_trtexec, run_trtexec

__all__ = [
    "CAPABILITIES",
    "DEFAULT_RANGE",
    "BuildProgress",
    "Graph",
    "Profile",
    "Range",
    "build",
    "build_rtx",
    "command",
    "dense_graph",
    "find_trtexec",
    "make_profile",
    "open_graph",
    "run_trtexec",
]
