"""What was meant, perhaps: looked for as long as somebody will read it. Each look costs as much as there are names."""

from collections.abc import Collection

from tiltyard_orchestrator.domain.parameters import did_you_mean, listed

MOST = 50


class Suggestions:
    """Suggestions for the mistakes of one graph; after so many of them, there are none."""

    def __init__(self) -> None:
        self._left = MOST

    def another(self) -> bool:
        """Whether one more is to be looked for."""
        self._left -= 1
        return self._left >= 0

    def among(self, name: str, known: Collection[str], otherwise: str) -> str:
        """Return ` (did you mean …?)`, or `otherwise` with what there is."""
        if not self.another():
            return ""
        return did_you_mean(name, known) or (f"{otherwise} {listed(known)}" if known else "")
