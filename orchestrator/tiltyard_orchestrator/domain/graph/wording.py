"""Types in words, as problems say them: `a whole number`, `list of text`, `array (float32, 0 to 1)`."""

from tiltyard.wire.plugins import Kind, Type
from tiltyard_orchestrator.domain.parameters import shown

_WORDS = {
    Kind.any: "anything",
    Kind.none: "nothing (null)",
    Kind.boolean: "true or false",
    Kind.integer: "a whole number",
    Kind.float: "a number",
    Kind.string: "text",
    Kind.path: "a path",
    Kind.list: "a list",
    Kind.tuple: "a tuple",
    Kind.mapping: "a mapping",
    Kind.array: "an array",
    Kind.table: "a table",
    Kind.model: "a model",
    Kind.dataset: "a dataset",
    Kind.figure: "a figure",
}


def in_words(kind: Type) -> str:
    """Return what a type is, for a person."""
    said = _without_remark(kind)
    return f"{said} ({kind.words})" if kind.words else said


def _without_remark(kind: Type) -> str:
    if kind.kind is Kind.choice and kind.choices:
        return "one of " + ", ".join(map(shown, kind.choices))
    if kind.kind is Kind.other:
        return kind.name or "a class of its plugin"
    return _of_parts(kind) if kind.of else _WORDS.get(kind.kind, kind.kind.value)


def _of_parts(kind: Type) -> str:
    match kind.kind, kind.of:
        case Kind.union, members:
            return " or ".join(dict.fromkeys(map(_without_remark, members)))
        case Kind.list, [item, *_]:
            return f"a list of {_plural(item)}"
        case Kind.tuple, items:
            return "a tuple of " + ", ".join(map(_without_remark, items))
        case Kind.mapping, [_, value]:
            return f"a mapping to {_plural(value)}"
        case _:
            return _WORDS.get(kind.kind, kind.kind.value)


def _plural(kind: Type) -> str:
    plain = _without_remark(kind)
    for article in ("a ", "an "):
        if plain.startswith(article) and " of " not in plain and " to " not in plain:
            return plain.removeprefix(article) + "s"
    return plain
