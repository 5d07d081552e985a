"""TensorRT's Python API, 10 and 11, and that of TensorRT for RTX."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from hps_trt.engine.graph import PLUGIN_OP, Graph
from hps_trt.engine.profiles import Profile
from hps_trt.errors import HpsError, UserError

CAPABILITIES = (75, 80, 86, 89, 120)
"""What TensorRT for RTX builds for when nothing is asked for."""


class BuildProgress(Protocol):
    """What a build calls: `done` of `total` steps of the phase `label` are done."""

    def __call__(self, label: str, done: int, total: int) -> None:
        """Shows it."""


def build(
    graph: Graph,
    profile: Profile,
    library: Path,
    progress: BuildProgress,
    *,
    workspace: int | None = None,
) -> memoryview:
    """Builds an engine on this machine's GPU and returns its serialized form.

    Args:
        graph: what is built.
        profile: ranges of its dynamic inputs.
        library: `libhps_plugin.so`; loaded through TensorRT's registry when the graph needs it.
        progress: shown while building.
        workspace: bytes of GPU memory that layers may use for scratch; None: TensorRT's default.

    Raises:
        UserError: TensorRT is not installed, or too old.
        HpsError: TensorRT refused, in its own words.
    """
    trt = _import("tensorrt", "pip install tensorrt, version 10 or newer, or build with --trtexec")
    logger = _logger(trt)
    major = int(str(trt.__version__).split(".")[0])
    if major < 10:
        raise UserError(f"TensorRT {trt.__version__} is too old; version 10 or newer is needed")
    if graph.plugin_nodes:
        _load_plugin(trt, library, logger)
    # The types of the ONNX graph hold in both: TensorRT 11 knows nothing else, 10 has to be told.
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED) if major == 10 else 0
    return _build(trt, logger, flags, graph, profile, progress, workspace=workspace)


def build_rtx(
    graph: Graph,
    profile: Profile,
    progress: BuildProgress,
    *,
    capabilities: Sequence[int] = CAPABILITIES,
    workspace: int | None = None,
) -> memoryview:
    """Builds an engine for TensorRT for RTX ahead of time; needs no GPU.

    Args:
        graph: what is built, without plugins (its parser would end the process).
        profile: ranges of its dynamic inputs.
        progress: shown while building.
        capabilities: of the GPUs to build for, as in 89 for 8.9.
        workspace: as in `build`.

    Raises:
        UserError: it is not installed, the graph holds plugins, or a capability is not known to it.
        HpsError: it refused, in its own words.
    """
    if graph.plugin_nodes:
        raise UserError(f"{graph.path}: TensorRT for RTX supports no plugins such as {PLUGIN_OP}")
    trt = _import("tensorrt_rtx", "pip install tensorrt-rtx-cu13")
    known = trt.ComputeCapability.__members__
    for capability in capabilities:
        if f"SM{capability}" not in known:
            names = ", ".join(sorted(name[2:] for name in known if name.startswith("SM")))
            raise UserError(f"compute capability {capability}: this release knows {names}")
    logger = _logger(trt)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return _build(
        trt,
        logger,
        flags,
        graph,
        profile,
        progress,
        workspace=workspace,
        capabilities=[known[f"SM{capability}"] for capability in capabilities],
    )


def _import(name: str, remedy: str) -> Any:
    """The module, or the one its wheel without the meta package has."""
    for module in (name, f"{name}_bindings"):
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise UserError(f"{module} cannot be imported: {error}") from error
            continue
        except (ImportError, OSError) as error:
            raise UserError(f"{module} cannot be imported: {error}") from error
        if hasattr(found, "ILogger"):  # a folder of that name is a package too, and an empty one
            return found
    raise UserError(f"the Python package {name} is not installed; {remedy}")


def _logger(trt: Any) -> Any:
    """A logger that keeps what is needed to say why something failed."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(" ".join(message.split()))

    return Logger()


def _monitor(trt: Any, progress: BuildProgress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.totals: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.totals[phase] = steps
            progress(phase, 0, steps)

        def phase_finish(self, phase: str) -> None:
            total = self.totals.get(phase, 0)
            progress(phase, total, total)

        def step_complete(self, phase: str, step: int) -> bool:
            progress(phase, step + 1, self.totals.get(phase, 0))
            return True

    return Monitor()


def _load_plugin(trt: Any, library: Path, logger: Any) -> None:
    registry = trt.get_plugin_registry()

    def known() -> bool:
        return any(creator.name == PLUGIN_OP for creator in registry.all_creators)

    if not known():
        registry.load_library(str(library))
    if not known():
        raise HpsError(_why(f"{library}: TensorRT's registry did not take the plugin", logger))


def _build(
    trt: Any,
    logger: Any,
    flags: int,
    graph: Graph,
    profile: Profile,
    progress: BuildProgress,
    *,
    workspace: int | None,
    capabilities: Sequence[Any] = (),
) -> memoryview:
    builder = trt.Builder(logger)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph.path)):
        errors = [parser.get_error(position) for position in range(parser.num_errors)]
        reasons = [
            f"node {error.node_name()!r} ({error.node_operator()}): {error.desc()}"
            for error in errors
        ]
        raise HpsError(_why(f"{graph.path}: TensorRT's parser refused it", logger, reasons))
    config = builder.create_builder_config()
    if workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    if capabilities:
        config.num_compute_capabilities = len(capabilities)
        for position, capability in enumerate(capabilities):
            if not config.set_compute_capability(capability, position):
                raise HpsError(_why(f"compute capability {capability} was refused", logger))
    if profile:
        ranges = builder.create_optimization_profile()
        for name, shape in profile.items():
            ranges.set_shape(name, shape.min, shape.opt, shape.max)
        if config.add_optimization_profile(ranges) < 0:
            raise HpsError(_why(f"{graph.path}: TensorRT refused the ranges", logger))
    monitor = _monitor(trt, progress)
    config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise HpsError(_why(f"{graph.path}: TensorRT built no engine", logger))
    return memoryview(engine)


def _why(what: str, logger: Any, reasons: Sequence[str] = ()) -> str:
    """One line: what failed, and the last of the reasons that TensorRT gave."""
    said = [*logger.errors, *(" ".join(reason.split()) for reason in reasons)]
    return f"{what}: {said[-1]}" if said else f"{what}, and gave no reason"
