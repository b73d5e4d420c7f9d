"""Paths as they came over the wire, taken apart. What could be read as another path, at any depth of decoding, is refused."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode

from tiltyard_api.mlflow.refusal import Refusal, wrong

_FORBIDDEN = re.compile(r"[/\\;\x00-\x1f\x7f]")
_MOST_FIELDS = 2_000
_MOST_DECODINGS = 5
"""What is spelled more deeply than this no honest client sends, and reading it would take long."""
_LONGEST_SEGMENT = 1_024
_LONGEST_PATH = 4_096


def read_place(raw: str) -> list[str]:
    """The decoded segments of a path; `""` has none.

    Raises:
        Refusal: it is too long, or a segment is empty, climbs, or holds what separates paths, before or after it is decoded.
    """
    _check_length(raw, _LONGEST_PATH, "the address")
    return [_segment(part) for part in raw.split("/")] if raw else []


def write_place(segments: Sequence[str]) -> str:
    """The segments as a path in its one spelling, which is what MLflow gets to see."""
    return "/".join(quote(segment, safe="") for segment in segments)


def read_query(raw: str) -> list[tuple[str, str]]:
    """The fields of a query.

    Raises:
        Refusal: one that holds a path climbs, or the query is none.
    """
    try:
        fields = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise wrong("the query of the address cannot be read") from error
    for name, value in fields:
        check_path(name, value)
    return fields


def write_query(fields: Sequence[tuple[str, str]]) -> str:
    """The fields as a query."""
    return urlencode(fields)


def check_path(name: str, value: object) -> None:
    """Refuse a field whose name says that it holds a path, and whose value leads elsewhere.

    Raises:
        Refusal: it does.
    """
    if "path" not in name.lower() or not isinstance(value, str) or not value:
        return
    _check_length(value, _LONGEST_PATH, f"{name[:100]!r}")
    for part in value.removesuffix("/").split("/"):
        _segment(part, what=f"{name[:100]!r}")


def _segment(text: str, what: str = "the address") -> str:
    _check_length(text, _LONGEST_SEGMENT, what)
    _check_segment(text, what)
    try:
        decoded = seen = unquote(text, errors="strict")
        for _ in range(_MOST_DECODINGS):
            _check_segment(seen, what)
            deeper = unquote(seen, errors="strict")
            if deeper == seen:
                return decoded
            seen = deeper
    except UnicodeDecodeError as error:
        raise wrong(f"{what} is not UTF-8") from error
    raise wrong(f"{what} is encoded more than {_MOST_DECODINGS} times over")


def _check_length(text: str, most: int, what: str) -> None:
    if len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most:
        raise wrong(
            f"{what} is too long: a path has {_LONGEST_PATH} bytes at most, a part of it {_LONGEST_SEGMENT}"
        )


def _check_segment(text: str, what: str) -> None:
    if text.strip() in {"", ".", ".."} or _FORBIDDEN.search(text):
        raise _climbs(what)


def _climbs(what: str) -> Refusal:
    return wrong(
        f"{what} is not a path that is served: it has an empty part, `.`, `..`, `;`, or a hidden separator"
    )
