"""ONNX Runtime sessions over a bundle, and over the model it came from."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from hps_trt import bundle as bundles
from hps_trt import native
from hps_trt.errors import HpsError, UserError
from hps_trt.progress import Progress, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import onnxruntime

_FOLDER_SETTING_SINCE = (1, 21)  # ONNX Runtime can be told where external data lies

_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(bool)": "bool",
    "tensor(string)": "str",
    **{f"tensor({kind})": kind for kind in ("int8", "int16", "int32", "int64")},
    **{f"tensor({kind})": kind for kind in ("uint8", "uint16", "uint32", "uint64")},
}


@contextmanager
def runtime_errors(where: str) -> "Iterator[None]":
    """Turns ONNX Runtime's exceptions into one line that starts with `where`."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds: tuple[type[Exception], ...] = (RuntimeError, ValueError)
    kinds += tuple(
        value
        for value in vars(state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    )
    try:
        yield
    except kinds as error:
        line = " ".join(str(error).split())
        raise HpsError(f"{where}: ONNX Runtime: {line}") from error


def make_session(
    model: Path,
    *,
    plugin: bool = False,
    extra_outputs: "Sequence[ExtraOutput]" = (),
    threads: int = 0,
) -> "onnxruntime.InferenceSession":
    """A CPU session of the file `model`.

    Args:
        model: an ONNX file; its external data lies beside it.
        plugin: register the HPS_TRT operators.
        extra_outputs: what to give besides the graph's outputs.
        threads: of the session; 0 lets ONNX Runtime choose.

    Raises:
        HpsError: ONNX Runtime refuses the model.
        OSError: the file cannot be read.
    """
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.log_severity_level = 3  # warnings of the runtime are no part of our output
    settings.intra_op_num_threads = threads
    with runtime_errors(str(model)):
        if plugin:
            settings.register_custom_ops_library(str(native.library_path()))
        given: str | bytes = str(model)
        if extra_outputs:
            folder = model.absolute().parent
            given = model.read_bytes() + _outputs_suffix(extra_outputs)
            version = tuple(int(part) for part in ort.__version__.split(".")[:2])
            if version < _FOLDER_SETTING_SINCE:
                return _session_of_bytes(given, folder, settings)
            settings.add_session_config_entry(
                "session.model_external_initializers_file_folder_path", str(folder)
            )
        elif not model.is_file():
            raise UserError(f"{model}: no such file")
        return ort.InferenceSession(given, settings, providers=["CPUExecutionProvider"])


def _session_of_bytes(model: bytes, folder: Path, settings: Any) -> "onnxruntime.InferenceSession":
    """For old runtimes, which look for external data beside the model's file: it gets one."""
    import tempfile

    import onnxruntime as ort

    with tempfile.TemporaryDirectory(prefix="hps-trt-") as name:
        for entry in folder.iterdir():
            (Path(name) / entry.name).symlink_to(entry)
        path = Path(name) / f"{secrets.token_hex(8)}.onnx"
        path.write_bytes(model)
        return ort.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])


@dataclass(frozen=True)
class ExtraOutput:
    """A tensor of the main graph to be given besides the graph's outputs.

    Attributes:
        tensor: its name.
        widened: give it as fp32 (exactly), for bf16 tensors, which numpy does not have.
    """

    tensor: str
    widened: bool = False

    @property
    def name(self) -> str:
        """The output's name."""
        return f"{self.tensor} (as fp32)" if self.widened else self.tensor


def _outputs_suffix(extra: Sequence[ExtraOutput]) -> bytes:
    """Bytes that, appended to a serialized model, add outputs to its graph.

    Protobuf merges two messages whose bytes follow each other, and joins their repeated fields: the
    model need not be parsed, which would double the memory it takes. ONNX Runtime infers the types.
    """
    import onnx

    suffix = onnx.ModelProto()
    for one in extra:
        suffix.graph.output.add().name = one.name
        if one.widened:
            suffix.graph.node.append(
                onnx.helper.make_node("Cast", [one.tensor], [one.name], to=onnx.TensorProto.FLOAT)
            )
    data: bytes = suffix.SerializeToString()
    return data


class BundleSession:
    """An opened bundle: its tables and its ONNX Runtime session. A context manager."""

    def __init__(self, folder: Path, service: native.Service, session: Any) -> None:
        self.folder = folder
        self.service = service
        self.session = session

    def __enter__(self) -> "BundleSession":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drops the session, then the tables."""
        self.session = None
        self.service.close()

    def run(self, feed: "Mapping[str, np.ndarray]") -> "dict[str, np.ndarray]":
        """Runs the graph; returns its outputs by name."""
        names = [output.name for output in self.session.get_outputs()]
        with runtime_errors(str(self.folder / bundles.MODEL_FILE)):
            values = self.session.run(names, checked_feed(self.session, feed))
        return dict(zip(names, values, strict=True))


def open_session(
    folder: Path,
    *,
    extra_outputs: "Sequence[ExtraOutput]" = (),
    threads: int = 0,
    progress: Progress = silent,
) -> BundleSession:
    """Opens the bundle `folder`: first its tables, then a session of its graph.

    Args:
        folder: a bundle.
        extra_outputs: as `make_session`.
        threads: as `make_session`.
        progress: told the bytes of tables loaded.

    Raises:
        UserError: `folder` is no bundle.
        HpsError: its configuration, a table or its graph is refused.
    """
    bundles.read_manifest(folder)
    service = native.Service.open(folder / bundles.CONFIG_FILE, progress=progress)
    try:
        session = make_session(
            folder / bundles.MODEL_FILE, plugin=True, extra_outputs=extra_outputs, threads=threads
        )
    except BaseException:
        service.close()
        raise
    return BundleSession(folder, service, session)


@dataclass(frozen=True)
class _Input:
    name: str
    type: str  # ONNX Runtime's spelling: "tensor(int64)"
    shape: tuple[int | str | None, ...]


def graph_inputs(session: "onnxruntime.InferenceSession") -> tuple[_Input, ...]:
    """Name, type and shape of the inputs."""
    return tuple(_Input(i.name, i.type, tuple(i.shape)) for i in session.get_inputs())


def numpy_type(kind: str) -> str | None:
    """What numpy calls ONNX Runtime's `kind`, or None when numpy has none."""
    return _NUMPY_TYPES.get(kind)


def checked_feed(
    session: "onnxruntime.InferenceSession", feed: "Mapping[str, np.ndarray]"
) -> "dict[str, np.ndarray]":
    """`feed`, when names, types and shapes are those of the graph's inputs.

    Raises:
        UserError: naming the first input that is not.
    """
    inputs = graph_inputs(session)
    known = [given.name for given in inputs]
    unknown = sorted(set(feed) - set(known))
    if unknown:
        raise UserError(f"input '{unknown[0]}' is none of the graph's: {', '.join(known)}")
    extents: dict[str, tuple[int, str]] = {}
    for wanted in inputs:
        if wanted.name not in feed:
            raise UserError(f"input '{wanted.name}' is missing; the graph needs {', '.join(known)}")
        _check_array(wanted, feed[wanted.name], extents)
    return dict(feed)


def _check_array(wanted: _Input, array: "np.ndarray", extents: dict[str, tuple[int, str]]) -> None:
    expected = numpy_type(wanted.type)
    given = "str" if array.dtype.kind in "US" else array.dtype.name
    if given != expected:
        raise UserError(f"input '{wanted.name}' is {given}; the graph needs {wanted.type}")
    text = f"input '{wanted.name}' has shape {list(array.shape)}; the graph needs " + str(
        ["?" if extent is None else extent for extent in wanted.shape]
    ).replace("'", "")
    if array.ndim != len(wanted.shape):
        raise UserError(text)
    for extent, actual in zip(wanted.shape, array.shape, strict=True):
        if isinstance(extent, int) and extent != actual:
            raise UserError(text)
        if isinstance(extent, str):
            other, where = extents.setdefault(extent, (actual, wanted.name))
            if other != actual:
                raise UserError(f"{text}, and '{extent}' is {other} in input '{where}'")
