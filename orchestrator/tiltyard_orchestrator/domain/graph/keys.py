"""Keys as they were meant: a misspelt one is told, and what stands under it is read all the same.

Else one slip would hide every mistake below it, and make mistakes of what refers to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.parameters import closest


def as_meant(
    body: Mapping[Any, Any], known: Sequence[str], at: Path, tell: Teller, *, where: str, wanted: str
) -> dict[str, Any]:
    """Return a mapping by known keys; tell every other key, and read it as the known one that it is close to.

    Args:
        body: as it is written.
        known: the keys that mean something.
        at: where it stands.
        tell: takes the problems.
        where: what a key stands in, for the message.
        wanted: what would be right where nothing is close.
    """
    meant: dict[str, Any] = {}
    for key, value in body.items():
        if key in known:
            meant[key] = value
            continue
        close = closest(str(key), known)
        hint = f" (did you mean {close!r}?)" if close else wanted
        tell("unknown_key", (*at, str(key)), f"{key!r} means nothing {where}{hint}", at_key=True)
        if close and close not in body and close not in meant:
            meant[close] = value
            tell.call((*at, str(key)), close)
    return meant
