"""Reads a length of time as people write it: seconds, or text such as `90s`, `30m`, `1.5h`, `1d`, `1h30m`.

Refuses what is none: zero, less than zero, not a number, longer than the caller allows; a time-out is at most what a job
may live.
"""

import re

from tiltyard.wire.jobs import MAX_TIMEOUT_SECONDS

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)\s*"
_TEXT = re.compile(rf"(?:{_NUMBER}d\s*)?(?:{_NUMBER}h\s*)?(?:{_NUMBER}m\s*)?(?:{_NUMBER}s)?")
_SECONDS = re.compile(_NUMBER)
_UNITS = (86_400, 3_600, 60, 1)
_LONGEST_TEXT = 64


def parse_duration(value: str | float, *, longest: int = MAX_TIMEOUT_SECONDS) -> float:
    """Return the seconds that `value` means.

    Raises ValueError, with a sentence that says what would be right, for what is no duration above 0 and of at most
    `longest` seconds, in whole days.
    """
    seconds = _from_text(value) if isinstance(value, str) else _from_number(value, longest)
    if not seconds > 0:
        raise ValueError(f"{_shown(value)} is no time at all: a duration is above 0")
    if seconds > longest:
        raise ValueError(f"{_shown(value)} is too long: the longest is {longest // 86_400}d")
    return seconds


def _from_number(value: float, longest: int) -> float:
    if isinstance(value, bool) or value != value:  # noqa: PLR0124 - NaN alone differs from itself
        raise ValueError(_unreadable(str(value)))
    return float(max(-1, min(value, longest + 1)))  # an int may be beyond every float


def _from_text(value: str) -> float:
    text = value.strip().lower()
    if not text or len(text) > _LONGEST_TEXT:
        raise ValueError(_unreadable(value))
    if _SECONDS.fullmatch(text):
        return float(text)
    parts = _TEXT.fullmatch(text)
    if parts is None:
        raise ValueError(_unreadable(value))
    return sum(float(amount) * unit for amount, unit in zip(parts.groups(), _UNITS, strict=True) if amount)


def _unreadable(value: str) -> str:
    return f"{_shown(value)} is no duration: write seconds, or text such as 90s, 30m, 2h, 1d or 1h30m"


def _shown(value: str | float) -> str:
    text = repr(value) if isinstance(value, str) else str(value) if isinstance(value, float) else "the number"
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
