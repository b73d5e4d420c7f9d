"""How `tiltyard sweep -P NAME=VALUES` is read: one value, a list of them, or a range of numbers.

Every value is sent as text, and the gateway reads it by the type that the parameter is declared with.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import typer
from pydantic import ValidationError

from tiltyard.wire.sweeps import MAX_CELLS, Axis, Scale

HELP = (
    "A parameter: one value (0.1), a list (fgm,pgd), or a range from a to b in n values (0:0.3:7, log:1e-4:1:5); with "
    '--random also a range to draw from (0:1). Quotes keep commas and colons together ("a,b",c); repeat.'
)
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RANGE = re.compile(rf"(?P<log>log:)?(?P<start>{_NUMBER}):(?P<stop>{_NUMBER})(?::(?P<count>[0-9]{{1,9}}))?")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What `-P` comes to: parameters with one value, and those with several."""

    fixed: dict[str, str] = field(default_factory=dict)
    axes: list[Axis] = field(default_factory=list)


def read_axes(given: Sequence[str] | None, fixed: dict[str, str]) -> Given:
    """Parameters from `NAME=VALUES`, beside those that have a fixed value already.

    Raises:
        typer.BadParameter: one is not written so, or is given twice.
    """
    found = Given(fixed=dict(fixed))
    named = set(fixed)
    for one in given or ():
        name, equals, text = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{one!r} is not NAME=VALUES", param_hint="-P")
        if name in named:
            raise typer.BadParameter(f"{name} is given twice", param_hint="-P")
        named.add(name)
        values = read_values(name, text)
        if isinstance(values, Axis):
            found.axes.append(values)
        else:
            found.fixed[name] = values
    return found


def read_values(name: str, text: str) -> str | Axis:
    """One value, or an axis. A comma at the end makes an axis of one value."""
    if match := _RANGE.fullmatch(text):
        return _range(name, text, match)
    if text.startswith("[") and text.endswith("]"):  # a list as JSON is one value
        return text
    try:
        [values] = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        said = f'{text!r} is no list: quotes go around a whole value ("a,b",c), and are doubled inside one'
        raise typer.BadParameter(said, param_hint=f"-P {name}") from None
    if len(values) > 1 and not values[-1]:
        return _axis(name, text, values=list(values[:-1]))
    return _axis(name, text, values=list(values)) if len(values) > 1 else "".join(values)


def _range(name: str, text: str, match: re.Match[str]) -> Axis:
    return _axis(
        name,
        text,
        start=_number(match["start"]),
        stop=_number(match["stop"]),
        count=int(match["count"]) if match["count"] else None,
        scale=Scale.log if match["log"] else None,
    )


def _axis(name: str, text: str, **said: Any) -> Axis:
    try:
        return Axis(parameter=name, **said)
    except ValidationError:
        raise typer.BadParameter(
            f"{text[:60]!r} is no axis of {name[:60]!r}: a parameter's name has 300 characters at most, a range goes from one"
            f" finite number to another, and there are 1 to {MAX_CELLS:,} values",
            param_hint="-P",
        ) from None


def _number(text: str) -> int | float:
    number = float(text)
    return int(text) if re.fullmatch("[+-]?[0-9]+", text) and abs(number) < 2**53 else number
