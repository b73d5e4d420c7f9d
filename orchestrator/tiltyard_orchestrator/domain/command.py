r"""Puts parameter values into an entry point's shell command, so that a value stays a value.

`{name}` stands for a parameter, `{{` and `}}` for literal braces, as in MLflow. Where a placeholder stands decides how
its value is quoted: outside quotes as words of its own, inside `"…"` and `'…'` escaped for those quotes. Whatever the
value holds, the program gets exactly it, and the shell sees no syntax in it.

Refused, when the command is read and not when it runs: a placeholder where no quoting is safe in every shell (inside
`$(…)`, backticks, `${…}`, comments, here-documents, arithmetic), and one that would melt into the text before it
(`\{x}`, `${x}`, `"$HOME{x}"`). What a program does with its arguments is its own: `eval {x}` still evaluates.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from string import Formatter

from tiltyard.wire.model import Json
from tiltyard_orchestrator.domain.shell import SLOT, Quoting, ShellRefused, quotings

LONGEST_COMMAND = 131_071
"""Bytes. Linux passes no single argument longer than this, and the whole command is one argument of the shell."""

PARAMETER_NAME = re.compile(r"[^\W\d][\w-]*")
"""What can stand between braces: `str.format` reads meaning into dots, brackets and leading digits."""

_PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./-]+")
_RESERVED = frozenset(
    "case coproc do done elif else esac fi for function if in select then time until while".split()  # noqa: SIM905
)


class CommandRefused(ValueError):
    """A command that cannot be filled in safely; the message says what to write instead."""


def placeholders(command: str) -> list[str]:
    """Return the names of the parameters that `command` uses, each once, in order of appearance.

    Raises `CommandRefused` when a placeholder is malformed or stands where no value is safe.
    """
    _, names, _ = _read(command)
    return list(dict.fromkeys(names))


def render(command: str, values: Mapping[str, Json]) -> str:
    """Return `command` with every placeholder replaced by its value, quoted for where it stands.

    A boolean is `true` or `false`, a list its items separated by spaces (outside quotes each is a word of its own).
    Raises `CommandRefused` as `placeholders` does, and KeyError for a placeholder without a value.
    """
    text, names, where = _read(command)
    literals = text.split(SLOT)
    filled = [literals[0]]
    for name, quoting, literal in zip(names, where, literals[1:], strict=True):
        filled += [_quoted(values[name], quoting), literal]
    return "".join(filled)


def shell_text(value: Json) -> str:
    """Return a single value as a program's argument holds it, before any quoting."""
    match value:
        case bool():
            return "true" if value else "false"
        case str() if "\0" not in value:
            return value
        case int() | float():
            return str(value)
        case _:
            raise ValueError(f"{value!r} has no form on a command line")


@lru_cache(maxsize=64)
def _read(command: str) -> tuple[str, list[str], list[Quoting]]:
    """The text with a slot for each placeholder, their names, and how each is quoted; the same for each cell of a sweep."""
    if SLOT in command:
        raise CommandRefused("the command holds a NUL character")
    text, names = [], []
    try:
        for literal, name, spec, conversion in Formatter().parse(command):
            text.append(literal)
            if name is not None:
                names.append(_checked_name(name, spec, conversion))
                text.append(SLOT)
    except CommandRefused:
        raise
    except ValueError as error:
        raise CommandRefused(f"{error}: write {{{{ and }}}} for braces that are no placeholder") from error
    joined = "".join(text)
    try:
        return joined, names, quotings(joined)
    except ShellRefused as error:
        raise CommandRefused(_located(str(error), names)) from error


def _checked_name(name: str, spec: str | None, conversion: str | None) -> str:
    if PARAMETER_NAME.fullmatch(name) and not spec and not conversion:
        return name
    shown = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
    raise CommandRefused(
        f"{{{shown}}} is not the name of a parameter: write {{{{ and }}}} for braces that are no placeholder"
    )


def _located(why: str, names: list[str]) -> str:
    if not why.startswith("stands") and not why.startswith("touches"):
        return why
    listed = ", ".join(f"{{{name}}}" for name in dict.fromkeys(names))
    return f"a placeholder ({listed}) {why}"


def _quoted(value: Json, quoting: Quoting) -> str:
    texts = [shell_text(item) for item in value] if isinstance(value, list) else [shell_text(value)]
    match quoting:
        case Quoting.double:
            return re.sub(r'([\\$`"])', r"\\\1", " ".join(texts))
        case Quoting.single:
            return " ".join(texts).replace("'", "'\\''")
        case Quoting.word:
            return " ".join(text if _plain(text) else _single(text) for text in texts)
        case Quoting.part:
            # Never bare: `{x}>out` with 2 would redirect, `{x}=1` would assign.
            return " ".join(map(_single, texts))


def _plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text not in _RESERVED


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
