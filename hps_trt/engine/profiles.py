"""Optimisation profiles: which extents the dynamic axes of an engine's inputs may take."""

from collections.abc import Iterable
from dataclasses import dataclass

from hps_trt.engine.graph import Graph
from hps_trt.errors import UserError

Shape = tuple[int, ...]
MAX_EXTENT = 2**31 - 1


@dataclass(frozen=True)
class Range:
    """Least, most often used and greatest extent of an axis, or shape of an input."""

    min: Shape
    opt: Shape
    max: Shape

    def to_text(self) -> str:
        """As a user writes it: 1x3,64x3,1024x3."""
        return ",".join("x".join(map(str, shape)) for shape in (self.min, self.opt, self.max))


DEFAULT_RANGE = Range((1,), (64,), (1024,))

Profile = dict[str, Range]
"""By input name, for the inputs with dynamic axes; each range has the input's rank."""


def parse_range(text: str, what: str) -> Range:
    """Reads "1,64,1024" or "1x3,64x3,1024x3".

    Raises:
        UserError: it is neither.
    """
    shapes: list[Shape] = []
    for part in text.split(","):
        extents = part.strip().split("x")
        if not all(extent.isascii() and extent.isdigit() for extent in extents):
            raise UserError(
                f"{what}: {part.strip()!r} is no shape; write min,opt,max as in 1,64,1024 or "
                "1x3,64x3,1024x3"
            )
        shapes.append(tuple(int(extent) for extent in extents))
    if len(shapes) != 3 or len({len(shape) for shape in shapes}) != 1:
        raise UserError(f"{what}: three shapes of one rank are needed (min,opt,max), not {text!r}")
    least, usual, most = shapes
    for low, middle, high in zip(least, usual, most, strict=True):
        if not low <= middle <= high <= MAX_EXTENT:
            raise UserError(f"{what}: {text} does not rise from min over opt to max")
    return Range(least, usual, most)


def make_profile(
    graph: Graph, given: Iterable[str] = (), default: Range = DEFAULT_RANGE
) -> Profile:
    """Ranges for all dynamic inputs of `graph`.

    Args:
        graph: the graph.
        given: texts "name=min,opt,max"; the name is an input's (then each part is its shape, or one
            number for all its dynamic axes) or a symbolic axis's such as "batch" (then a number).
        default: of the axes that none of `given` speaks of.

    Raises:
        UserError: a text is wrong, names nothing dynamic, or contradicts a fixed axis.
    """
    symbols = {extent for shape in graph.dynamic.values() for extent in shape if extent != ""}
    of_inputs: dict[str, Range] = {}
    of_axes: dict[str, Range] = {}
    for text in given:
        name, separator, ranges = text.rpartition("=")
        if not separator or not name:
            raise UserError(f"--profile {text}: write name=min,opt,max")
        into = of_inputs if name in graph.dynamic else of_axes
        if into is of_axes and name not in symbols:
            raise UserError(_unknown(graph, name))
        if name in into:
            raise UserError(f"--profile {text}: {name!r} is given twice")
        into[name] = parse_range(ranges, f"--profile {name}")
        if into is of_axes and len(into[name].min) != 1:
            raise UserError(f"--profile {text}: the axis {name!r} takes three numbers")
    return {
        name: _input_range(name, shape, of_inputs.get(name), of_axes, default)
        for name, shape in graph.dynamic.items()
    }


def _unknown(graph: Graph, name: str) -> str:
    if name in graph.inputs:
        return f"--profile {name}: input {name!r} has a fixed shape and needs no range"
    choices = ", ".join(graph.dynamic) or "none"
    return f"--profile {name}: no dynamic input or axis has that name; dynamic inputs: {choices}"


def _input_range(
    name: str,
    shape: tuple[int | str, ...],
    given: Range | None,
    of_axes: dict[str, Range],
    default: Range,
) -> Range:
    whole = given is not None and len(given.min) == len(shape)
    if given is not None and not whole and len(given.min) != 1:
        raise UserError(
            f"--profile {name}: {given.to_text()} has rank {len(given.min)}, the input has "
            f"{len(shape)}: {_written(shape)}"
        )
    parts: list[Shape] = []
    for which in ("min", "opt", "max"):
        extents: list[int] = []
        for axis, extent in enumerate(shape):
            asked: Shape | None = getattr(given, which) if given is not None else None
            if isinstance(extent, int):
                if whole and asked is not None and asked[axis] != extent:
                    raise UserError(
                        f"--profile {name}: axis {axis} is fixed: {_written(shape)}, "
                        f"not {asked[axis]}"
                    )
                extents.append(extent)
            elif asked is not None:
                extents.append(asked[axis if whole else 0])
            else:
                extents.append(getattr(of_axes.get(extent, default), which)[0])
        parts.append(tuple(extents))
    return Range(*parts)


def _written(shape: tuple[int | str, ...]) -> str:
    return "[" + ", ".join(str(extent) or "?" for extent in shape) + "]"
