"""The artifact types that every graph may use, and their options: the SDK saves and loads them.

Checked is what `args` beside such a type says. What a plugin's own type takes, its class says when it saves.
"""

from collections.abc import Mapping
from typing import Any

from tiltyard.wire.plugins import Kind, TaskInput, Type
from tiltyard_orchestrator.domain.graph.arguments import misfit
from tiltyard_orchestrator.domain.graph.places import Path
from tiltyard_orchestrator.domain.graph.scope import Scope
from tiltyard_orchestrator.domain.graph.telling import Teller
from tiltyard_orchestrator.domain.graph.values import ArtifactOutput
from tiltyard_orchestrator.domain.graph.wording import in_words
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed

_INTEGER, _NONE = Type(kind=Kind.integer), Type(kind=Kind.none)
_PANDAS = TaskInput(name="options", variadic=True, keyword_only=True)
STANDARD: Mapping[str, tuple[TaskInput, ...]] = {
    "array": (),
    "table": (TaskInput(name="format", type=Type(kind=Kind.choice, choices=["csv", "parquet"])), _PANDAS),
    "json": (TaskInput(name="indent", type=Type(kind=Kind.union, of=[_INTEGER, _NONE])),),
    "text": (TaskInput(name="suffix", type=Type(kind=Kind.string)),),
    "figure": (TaskInput(name="dpi", type=Type(kind=Kind.float)),),
    "model": (),
    "path": (),
}
"""By name, what each takes as options."""
_TAKEN = frozenset({"value", "folder", "name", "sort"})
"""What saving itself says: where, and under which name."""


def check_options(one: ArtifactOutput, scope: Scope, tell: Teller) -> None:
    """Tell everything that is wrong with the options of an artifact that is saved by a type of the SDK's."""
    inputs = STANDARD[one.task or ""]
    named = {given.name: given.type for given in inputs if not given.variadic}
    takes_any = len(named) < len(inputs)
    for name, value in one.options.items():
        at = (*one.options_at, name)
        if name in named:
            _check_type(one, name, named[name], value, at, scope, tell)
        elif name in _TAKEN or not takes_any:
            tell(
                "unknown_option",
                at,
                f"{one.task!r} has no option {name!r}{_instead(name, named)}",
                at_key=True,
            )


def _check_type(
    one: ArtifactOutput, name: str, wanted: Type, value: Any, at: Path, scope: Scope, tell: Teller
) -> None:
    if what := misfit(value, wanted, scope.known):
        such = scope.suggestion(wanted, without="")
        detail = f"the option {name!r} of {one.task!r} is {in_words(wanted)}, and {what}{such}"
        tell("mistyped_option", at, detail)


def _instead(name: str, named: Mapping[str, Type]) -> str:
    if not named:
        return ": it takes none"
    return did_you_mean(name, named) or f": it takes {listed(sorted(named))}"
