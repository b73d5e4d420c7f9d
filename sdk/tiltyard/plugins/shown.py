"""Types as a person reads them."""

import json

from tiltyard.wire.plugins import Kind, TaskInput, Type


def type_text(said: Type) -> str:
    """A type in a few words: `list of integer`, `logistic | svm`, `array or none`."""
    inner = [type_text(one) for one in said.of]
    text = said.kind.value
    match said.kind:
        case Kind.choice:
            text = " | ".join(one if isinstance(one, str) else json.dumps(one) for one in said.choices)
        case Kind.union:
            text = " or ".join(inner)
        case Kind.other:
            text = said.name
        case Kind.list if inner:
            text = f"list of {inner[0]}"
        case Kind.tuple if inner:
            text = f"({', '.join(inner)})"
        case Kind.mapping if len(inner) > 1:
            text = f"mapping of {inner[0]} to {inner[1]}"
    return text or said.kind.value


def help_text(told: str, said: Type) -> str:
    """What the docstring says of a value, and what its annotation says beside the type."""
    return "; ".join(filter(None, [told.rstrip("."), said.words]))


def default_text(one: TaskInput) -> str:
    """What is taken where nothing is given."""
    if one.variadic:
        return "any number"
    return "required" if one.required else one.default_text
