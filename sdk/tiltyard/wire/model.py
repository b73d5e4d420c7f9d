"""The base of everything that crosses the wire: frozen, closed, and safe to store."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, JsonValue, model_validator

Item = TypeVar("Item")

__all__ = ["Json", "Page", "Request", "Text", "WireModel"]

_MOST_FIELDS = 100


class WireModel(BaseModel):
    """A value on the wire. Unknown fields are refused, so that a typo is an answer and not a silence."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_inf_nan="strings", use_attribute_docstrings=True
    )


class Request(WireModel):
    """What callers send, or a part of it."""

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, said: Any) -> Any:
        # Each unknown one is told, and a body has room for a million: that would take a minute in which nobody is answered.
        if isinstance(said, dict) and len(said) > _MOST_FIELDS:
            msg = f"has {len(said):,} fields, of which most can mean nothing here"
            raise ValueError(msg)
        return said


def _storable(text: str) -> str:
    # PostgreSQL's text and jsonb hold neither NUL nor lone surrogates.
    if "\0" in text:
        msg = "holds a NUL character"
        raise ValueError(msg)
    text.encode()  # raises UnicodeEncodeError, a ValueError, on a lone surrogate
    return text


def _storable_json(value: Any) -> Any:
    match value:
        case str():
            return _storable(value)
        case list():
            return [_storable_json(item) for item in value]
        case dict():
            return {_storable(str(key)): _storable_json(item) for key, item in value.items()}
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
            return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
        case _:
            return value


Text = Annotated[str, AfterValidator(_storable)]
"""Text that a database column can hold: no NUL, no lone surrogate."""

Json = Annotated[JsonValue, BeforeValidator(_storable_json)]
"""Any JSON value that a `jsonb` column can hold; NaN and the infinities travel as strings."""


class Page(WireModel, Generic[Item]):
    """One page of a list, in a stable order, read by keyset."""

    items: list[Item]
    next: str | None = None
    """The cursor of the next page; absent on the last one."""
