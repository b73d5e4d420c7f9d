"""Collects the problems of one reading or checking, each with its place."""

from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph.places import Path, Places, problem_at


class Teller:
    """The problems told so far."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.problems: list[ProblemItem] = []

    def __call__(self, code: str, path: Path, detail: str, *, at_key: bool = False) -> None:
        """Tell a problem with what stands at `path`, or with the name that it stands under."""
        self.problems.append(problem_at(self.places, path, code, detail, at_key=at_key))

    def call(self, at: Path, name: str) -> None:
        """Read what stands at `at` under another name: it is still told with its own place."""
        self.places = self.places.renamed(at, name)

    def in_order(self) -> list[ProblemItem]:
        """Return the problems as a reader of the text meets them."""
        return sorted(self.problems, key=lambda problem: (problem.line or 0, problem.column or 0))
