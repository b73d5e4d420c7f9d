"""Errors as RFC 9457 problems: a stable `code`, and every problem of the request with a JSON pointer to it."""

from pydantic import Field

from tiltyard.wire.model import WireModel


class ProblemItem(WireModel):
    """One thing that is wrong, and where."""

    pointer: str
    """A JSON pointer into the request (`/parameters/eps`), or the name of a query parameter or header (`?limit`)."""
    code: str
    detail: str
    """What is wrong, and what would be right."""
    line: int | None = None
    """Where it stands in a text file, counted from 1."""
    column: int | None = None


class Problem(WireModel):
    """The body of every error answer, as `application/problem+json`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    code: str
    """Stable, in snake case: what programs decide on."""
    errors: list[ProblemItem] = Field(default_factory=list)
