"""Text from a plugin's source, made fit to be stored and shown: no NUL, no lone surrogate, no end in sight cut off."""

LONGEST = 8_000
_WIDEST = 2**64


def storable(text: str, longest: int = LONGEST) -> str:
    """The text as a database column and a JSON document hold it."""
    whole = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return whole if len(whole) <= longest else f"{whole[:longest]}…"


def storable_number(value: object) -> bool:
    """Whether a value is no whole number of more digits than anybody means, which JSON could not be written with."""
    return not isinstance(value, int) or abs(value) < _WIDEST
