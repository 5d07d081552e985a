"""How ids come from an input of the model: the path a person reads in the plan."""

from __future__ import annotations

from hps_trt.surgery.model import Node, Scope

_LONGEST = 24


def path_from_input(scope: Scope, name: str) -> tuple[str, ...] | None:
    """The nodes between an input and the tensor `name`, from the input on.

    Where a node reads several tensors the first that leads to an input is followed. Inputs of
    a loop's body count as inputs.

    Returns:
        `("input cat", "Cast /Cast", ...)`, shortened in the middle when very long; None when the
        tensor depends on constants only.
    """
    came_from: dict[tuple[str, str], tuple[tuple[str, str], Node] | None] = {}
    owner = scope.owner(name)
    if owner is None:
        return None
    start = (owner.path, name)
    came_from[start] = None
    stack = [(owner, name)]
    while stack:
        here, tensor = stack.pop()
        key = (here.path, tensor)
        if tensor in here.inputs and tensor not in here.initializers:
            return _describe(here, tensor, came_from)
        node = here.producers.get(tensor)
        if node is None:
            continue
        first_seen = []
        for read in [*(n for n in node.inputs if n), *sorted(node.reads - set(node.inputs))]:
            read_owner = here.owner(read)
            if read_owner is None or (read_owner.path, read) in came_from:
                continue
            came_from[(read_owner.path, read)] = (key, node)
            first_seen.append((read_owner, read))
        stack.extend(reversed(first_seen))
    return None


def _describe(
    scope: Scope,
    name: str,
    came_from: dict[tuple[str, str], tuple[tuple[str, str], Node] | None],
) -> tuple[str, ...]:
    path = [f"input {name}" if not scope.path else f"input {name} of {scope.path}"]
    step = came_from[(scope.path, name)]
    while step is not None:
        key, node = step
        path.append(f"{node.op} {node.label}")
        step = came_from[key]
    if len(path) > _LONGEST:
        half = _LONGEST // 2
        path[half:-half] = [f"... {len(path) - 2 * half} nodes ..."]
    return tuple(path)
