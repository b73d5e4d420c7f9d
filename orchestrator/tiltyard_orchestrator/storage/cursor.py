"""Keyset cursors: opaque to callers, the last row's place in the order to us. A page never repeats or skips a row."""

import base64
import json
from datetime import datetime
from typing import Any


class BadCursor(ValueError):
    """A cursor that we did not give out."""


def encode(*place: Any) -> str:
    """The cursor of a row, from the values its list is ordered by."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in place]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode_time_and_id(cursor: str) -> tuple[datetime, str]:
    """The place in a list that is ordered by time and id.

    Raises:
        BadCursor: it is none of ours.
    """
    match _decode(cursor):
        case [str(at), str(row_id)] if "\0" not in row_id:
            try:
                moment = datetime.fromisoformat(at)
            except ValueError as error:
                raise BadCursor("this cursor is not one that a list gave out") from error
            if moment.tzinfo is not None:
                return moment, row_id
    raise BadCursor("this cursor is not one that a list gave out")


def decode_name(cursor: str) -> str:
    """The place in a list that is ordered by name.

    Raises:
        BadCursor: it is none of ours.
    """
    match _decode(cursor):
        case [str(name)] if "\0" not in name:
            return name
    raise BadCursor("this cursor is not one that a list gave out")


def decode_number(cursor: str) -> int:
    """The place in a list that is ordered by a number.

    Raises:
        BadCursor: it is none of ours.
    """
    match _decode(cursor):
        case [int(number)] if not isinstance(number, bool) and abs(number) < 2**31:
            return number
    raise BadCursor("this cursor is not one that a list gave out")


def decode_place(cursor: str) -> list[Any]:
    """The place in a list that is ordered by something else; who asks judges what is in it.

    Raises:
        BadCursor: it is none of ours.
    """
    match _decode(cursor):
        case [*place] if "\\u0000" not in json.dumps(place):
            return place
    raise BadCursor("this cursor is not one that a list gave out")


def _decode(cursor: str) -> Any:
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is nobody's name
    except ValueError as error:
        raise BadCursor("this cursor is not one that a list gave out") from error
    return value
