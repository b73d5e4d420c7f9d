"""Says where in a request a validation error is, in the request's own terms and not in those of our models."""

from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from tiltyard.wire import ProblemItem


def problem_items(error: RequestValidationError, most: int) -> list[ProblemItem]:
    """What is wrong with a request, `most` things and one more; what is wrong in several ways at one place is one."""
    found: dict[str, ProblemItem] = {}
    for item in error.errors():
        if len(found) > most:
            break
        where = _pointer(item["loc"], item["type"], error.body)
        detail = _detail(item)
        if where in found and detail not in found[where].detail:
            detail = f"{found[where].detail}; or: {detail}"
            found[where] = found[where].model_copy(update={"detail": detail})
        found.setdefault(where, ProblemItem(pointer=where, code=item["type"], detail=detail))
    return list(found.values())


def _pointer(location: Sequence[int | str], kind: str, body: Any) -> str:
    """A JSON pointer into the body, `?name` for a query parameter, and the plain name of a header or part of the path."""
    place, *rest = location
    match place:
        case "body" if kind == "json_invalid":
            return ""
        case "body":
            return "".join(f"/{_escaped(part)}" for part in _in_body(rest, kind, body))
        case "query":
            return f"?{rest[0]}" if rest else "?"
        case _:
            return str(rest[0]) if rest else str(place)


def _in_body(location: Sequence[int | str], kind: str, body: Any) -> list[int | str]:
    # A model's location also names what stands in no request: the members of a union, the keys that were wrong.
    found: list[int | str] = []
    for part in location:
        match body, part:
            case dict(), str() if part in body:
                body = body[part]
            case list(), int() if part < len(body):
                body = body[part]
            case dict(), str() if kind == "missing":
                return [*found, part]
            case _:
                return found
        found.append(part)
    return found


def _escaped(part: int | str) -> str:
    text = str(part).encode(errors="replace").decode()
    return text.replace("~", "~0").replace("/", "~1")


def _detail(item: Any) -> str:
    if item["type"] == "extra_forbidden":
        return "this field is not known"
    if item["type"] == "timezone_aware":
        return (
            "a moment names its zone: 2026-01-31T18:00:00Z, or +02:00 (in a URL %2B02:00) in place of the Z"
        )
    return str(item["msg"]).removeprefix("Value error, ").encode(errors="replace").decode()
