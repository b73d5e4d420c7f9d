"""One way to write a value as JSON, so that equal values have equal digests, whoever wrote them."""

import hashlib
import json
from typing import Any

from tiltyard.wire.model import WireModel


def canonical(value: Any) -> bytes:
    """A value as JSON in UTF-8: keys sorted, nothing between the marks. Wire models are written as they travel.

    Raises:
        ValueError: it holds NaN or an infinity as a number; on the wire those are text.
    """
    plain = value.model_dump(mode="json") if isinstance(value, WireModel) else value
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
