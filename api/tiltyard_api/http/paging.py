"""What lists are asked with: a cursor, a limit, and filters that no database chokes on."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

from tiltyard.wire import Page, WireModel
from tiltyard_orchestrator.storage.cursor import decode_name, encode

Item = TypeVar("Item", bound=WireModel)


def _in_range(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


def _written_out(value: object) -> object:
    if (
        isinstance(value, str) and value[4:5] != "-"
    ):  # pydantic would take a plain number for seconds since 1970
        raise ValueError("write a time out, with its offset, such as 2026-01-31T12:00:00Z")
    return value


Limit = Annotated[int, Query(ge=1, le=1000, description="Items of one page at most.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="The `next` of the page before.")]
Name = Annotated[str | None, Query(max_length=300)]
Moment = Annotated[
    Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_range)] | None,
    Query(description="A time with its offset, such as 2026-01-31T12:00:00Z."),
]


def page_of(items: Sequence[Item], name: Callable[[Item], str], cursor: str | None, limit: int) -> Page[Item]:
    """One page of a short list that was read whole, by name.

    Raises:
        BadCursor: the cursor is none of ours.
    """
    behind = "" if cursor is None else decode_name(cursor)
    left = sorted((item for item in items if cursor is None or name(item) > behind), key=name)
    return Page(items=left[:limit], next=encode(name(left[limit - 1])) if len(left) > limit else None)
