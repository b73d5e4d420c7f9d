"""What is wrong with a plugin, said by file, line and column."""

import ast

from tiltyard.plugins.text import storable
from tiltyard.wire.problems import ProblemItem

Place = ast.expr | ast.stmt | ast.arg | ast.keyword


def problem(path: str, code: str, detail: str, place: Place | None = None) -> ProblemItem:
    """A problem with a file of the plugin; with the plugin as a whole where `path` is empty."""
    return ProblemItem(
        pointer=storable("/" + path),
        code=code,
        detail=storable(detail),
        line=place.lineno if place else None,
        column=place.col_offset + 1 if place else None,
    )


class NotAType(Exception):
    """An annotation, or a part of one, that says no type."""

    def __init__(self, place: Place, detail: str) -> None:
        super().__init__(detail)
        self.place = place
        self.detail = detail
