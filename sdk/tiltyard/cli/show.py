"""How things are shown: tables on a terminal, tab-separated lines in a pipe, JSON when it is asked for.

What a job wrote is never trusted on a terminal: control characters, with which it could move the cursor, set the title or
answer in the user's name, are shown as escapes there. A pipe gets every character as it was.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import typer

from tiltyard.wire.model import WireModel

_PLAIN = {ord("\n"), ord("\t")}
_ESCAPES = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if code not in _PLAIN}
# Marks that turn the direction of text around can make a line read as another one.
_ESCAPES |= {
    code: f"\\u{code:04x}" for code in [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
}


def on_terminal(*, err: bool = False) -> bool:
    """Whether a person sees the output as it is printed."""
    return (sys.stderr if err else sys.stdout).isatty()


def safe(text: str) -> str:
    """Text with the characters that drive a terminal made visible."""
    return text.translate(_ESCAPES)


def write(text: str, *, err: bool = False) -> None:
    """Write what a job wrote, at once: safe on a terminal, as it is in a pipe."""
    if on_terminal(err=err):
        # A progress bar rewrites its line: that one control character does no harm and is expected to work.
        text = "\r".join(safe(part) for part in text.split("\r"))
    stream = sys.stderr if err else sys.stdout
    stream.buffer.write(text.encode(errors="replace"))
    stream.buffer.flush()


def print_json(value: Any) -> None:
    """One JSON value on one line."""
    sys.stdout.write(json.dumps(as_plain(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def as_plain(value: Any) -> Any:
    """Wire models as JSON has them."""
    match value:
        case WireModel():
            return value.model_dump(mode="json")
        case list():
            return [as_plain(item) for item in value]
        case _:
            return value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    """A table for a person, or tab-separated lines without a heading for a program."""
    if not on_terminal():
        for row in rows:
            sys.stdout.write("\t".join(one_line(cell) for cell in row) + "\n")
        return
    shown = [[safe(one_line(cell)) for cell in row] for row in rows]
    if not shown:
        typer.echo(empty, err=True)
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe needs no tables
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        heading = Text(safe(one_line(name)))  # a job may have named it
        overflow: Literal["fold", "ellipsis"] = "fold" if name == "PATH" else "ellipsis"
        table.add_column(heading, no_wrap=name in _WHOLE, overflow=overflow)
    for row in shown:
        # One line of a job's parameters: `status` has them all.
        cells = zip(columns, row, strict=True)
        table.add_row(
            *(Text(cell, _STYLES.get(cell, ""), no_wrap=name in _ONE_LINE or None) for name, cell in cells)
        )
    Console().print(table)


_WHOLE = {"ID", "JOB", "STATE", "AGE", "RAN"}
"""Columns that a narrow terminal leaves whole: a cut id is none, and `suc…` is no state."""
_ONE_LINE = {"PARAMETERS"}
_STYLES = {
    "succeeded": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "queued": "blue",
    "lost": "red",
    "paused": "yellow",
}


def one_line(text: str) -> str:
    """Text that stays in its cell."""
    return " ".join(text.split("\n")).replace("\t", " ")


def local(moment: datetime | None) -> str:
    """A time where the user is."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}" if moment else "-"


def age(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that still says something."""
    if moment is None:
        return "-"
    return lasted(((now or datetime.now(UTC)) - moment).total_seconds())


def lasted(seconds: float) -> str:
    """A length of time, to two units."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def many(count: int, noun: str) -> str:
    """So many of something, such as `1 job` and `2 jobs`."""
    return f"{count} {noun}{'s' * (count != 1)}"


def size(count: int) -> str:
    """Bytes, for a person."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError
