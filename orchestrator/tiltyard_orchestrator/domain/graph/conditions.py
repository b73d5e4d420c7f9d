"""Conditions of steps: `$accurate`, `not $accurate`, or one comparison such as `$accuracy >= 0.9`, `$norm == l2`.

The left side is a reference; the right side is a reference, a number, true, false, null, or text, with or without quotes.
That is the whole language: what needs more is a task that returns a boolean.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tiltyard_orchestrator.domain.graph.references import Reference, reference, unescaped

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(
    r"(?P<left>\$[^\s=!<>]+)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>\S.*))?", re.DOTALL
)
_NEGATED = re.compile(r"not\s+(?P<left>\$[^\s=!<>]+)")
WANTED = "write `$reference`, `not $reference` or a comparison such as `$accuracy >= 0.9` (== != < <= > >=)"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What must be true for a step to run."""

    left: Reference
    operator: str | None = None
    """None: the left side itself is true; `not`: it is false."""
    right: Any = None

    def references(self) -> Iterator[Reference]:
        """What it looks at."""
        yield self.left
        if isinstance(self.right, Reference):
            yield self.right

    def holds(self, look_up: Callable[[Reference], Any]) -> bool:
        """Whether it is true. Raises TypeError where the two sides do not compare."""
        left = look_up(self.left)
        if self.operator in (None, "not"):
            return bool(left) is (self.operator is None)
        right = look_up(self.right) if isinstance(self.right, Reference) else self.right
        return bool(_OPERATORS[str(self.operator)](left, right))

    def __str__(self) -> str:
        if self.operator is None:
            return str(self.left)
        if self.operator == "not":
            return f"not {self.left}"
        right = str(self.right) if isinstance(self.right, Reference) else json.dumps(self.right)
        return f"{self.left} {self.operator} {right}"


def read_condition(value: object) -> Condition | None:
    """Return the condition that a text is, or None where it is none."""
    if not isinstance(value, str):
        return None
    text = value.strip()
    if negated := _NEGATED.fullmatch(text):
        left = reference(negated["left"])
        return Condition(left=left, operator="not") if left else None
    found = _FORM.fullmatch(text)
    left = reference(found["left"]) if found else None
    if found is None or left is None:
        return None
    return Condition(left=left, operator=found["operator"], right=_side(found["right"]))


def _side(text: str | None) -> Any:
    if text is None:
        return None
    text = text.strip()
    found = reference(text)
    if found is not None:
        return found
    try:
        value = json.loads(text)
    except ValueError:
        single = len(text) > 1 and text[0] == text[-1] == "'"
        return unescaped(text[1:-1] if single else text)
    return value if isinstance(value, (str, bool, int, float)) or value is None else text
