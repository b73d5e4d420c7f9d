"""Tells names that no reference can be to, or that a reference could mean two things by."""

from collections.abc import Iterable, Mapping

from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import ITEM


def tell_names(parts: Mapping[str, Iterable[str]], tell: Teller, *, foreach: bool) -> None:
    """Tell what is wrong with the names of parameters, artifact inputs and steps.

    Args:
        parts: the names, by the part of the file that they stand in.
        tell: takes the problems.
        foreach: whether a step is used for several items, which it calls `$item`.
    """
    taken: dict[str, str] = {}
    for part, names in parts.items():
        for name in names:
            _tell_name(part, name, taken, tell)
            if foreach and name == ITEM:
                detail = "`$item` is what a step with `foreach` is used for"
                tell("name_taken", (part, name), detail, at_key=True)


def _tell_name(part: str, name: str, taken: dict[str, str], tell: Teller) -> None:
    at = (part, name)
    # Which names parameters may have is told where they are read.
    if part != "parameters" and ("." in name or name.startswith("$")):
        detail = f"{name!r} cannot be referred to: a name has no dot and no dollar sign in front"
        tell("malformed_graph", at, detail, at_key=True)
    if name in taken:
        detail = f"the name {name!r} stands in {taken[name]!r} already: a reference could mean either"
        tell("name_taken", at, detail, at_key=True)
    taken[name] = part
