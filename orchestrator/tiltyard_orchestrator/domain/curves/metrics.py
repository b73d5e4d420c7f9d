"""Which metric is drawn: the one that is asked for, or the one that a sweep of attacks is most likely about."""

from collections.abc import Collection

from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed, shown

_LIKELY = (("robust", "accuracy"), ("robust",), ("attack", "success"), ("success",), ("accuracy",))
"""What its name holds, the likeliest first."""


def choose_metric(known: Collection[str], asked: str | None) -> str | ProblemItem:
    """The metric to draw, of at least one that is known."""
    if asked is None:
        return next(
            (
                name
                for words in _LIKELY
                for name in sorted(known)
                if all(word in name.lower() for word in words)
            ),
            min(known),
        )
    if asked in known:
        return asked
    hint = did_you_mean(asked, known)
    detail = f"no job here has told a metric {shown(asked)}{hint}; there are {listed(known)}"
    return ProblemItem(pointer="?y", code="unknown_metric", detail=detail)
