"""Text from a plugin's source, made fit to be stored and shown: no NUL, no lone surrogate, no end in sight cut off."""

LONGEST = 8_000


def storable(text: str, longest: int = LONGEST) -> str:
    """The text as a database column and a JSON document hold it."""
    whole = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return whole if len(whole) <= longest else f"{whole[:longest]}…"
