"""The clients of a testbed: `AsyncClient`, and `Client`, which drives it from ordinary code."""

from tiltyard.client.aio import AsyncClient
from tiltyard.client.errors import NotFound, Refused, TiltyardError, Unauthorized, Unreachable
from tiltyard.client.sync import Client

__all__ = [
    "AsyncClient",
    "Client",
    "NotFound",
    "Refused",
    "TiltyardError",
    "Unauthorized",
    "Unreachable",
]
