"""A client that costs little, so that the server is what is measured: one request after the other on a kept connection."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is measured: an address, a body, and a token where one is wanted."""

    name: str
    url: str
    body: bytes
    token: str | None = None

    def request(self) -> bytes:
        """The request as it goes over the wire."""
        where = urlsplit(self.url)
        lines = [
            f"POST {where.path} HTTP/1.1",
            f"Host: {where.netloc}",
            "Content-Type: application/json",
            f"Content-Length: {len(self.body)}",
        ]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


async def latencies(target: Target, *, clients: int, requests: int) -> list[float]:
    """Send requests from several clients at once, and say how long each took, in seconds.

    Raises:
        RuntimeError: one was answered with anything but 201.
    """
    shares = [requests // clients + (index < requests % clients) for index in range(clients)]
    return [
        one for share in await asyncio.gather(*(_client(target, share) for share in shares)) for one in share
    ]


async def rate(target: Target, *, clients: int, requests: int) -> float:
    """Requests answered in a second, by all clients together."""
    started = time.perf_counter()
    await latencies(target, clients=clients, requests=requests)
    return requests / (time.perf_counter() - started)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _client(target: Target, requests: int) -> list[float]:
    where, request, took = urlsplit(target.url), target.request(), []
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        for _ in range(requests):
            started = time.perf_counter()
            writer.write(request)
            await _answer(reader, target.name)
            took.append(time.perf_counter() - started)
    finally:
        writer.close()
    return took


async def _answer(reader: asyncio.StreamReader, name: str) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    body = await reader.readexactly(int(headers["content-length"]))
    if status.split(" ")[1] != "201":
        raise RuntimeError(f"{name} answered {status}: {body.decode(errors='replace')[:500]}")
