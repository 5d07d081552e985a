"""``libhps_plugin.so`` from Python: the names that the rest of the package uses."""

from hps_trt.native.library import (
    NativeError,
    NativeUserError,
    config_check,
    library_path,
    load,
    node_check,
    version,
)
from hps_trt.native.service import ProgressCallback, Service, TableInfo

__all__ = [
    "NativeError",
    "NativeUserError",
    "ProgressCallback",
    "Service",
    "TableInfo",
    "config_check",
    "library_path",
    "load",
    "node_check",
    "version",
]
