"""A follower of all jobs without our client, which would mend a stream that skips: it writes down what comes."""

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tiltyard.wire.events import End, Event, Frame

PAUSE_SECONDS = 0.2
PING_SECONDS = 3.0


async def watch(url: str, token: str, experiment: str, frames: list[Frame]) -> None:
    """Follow an experiment until cancelled; come back with the `seq` of each job whenever the connection ends.

    Who comes back is told again that a job has ended, and that alone is not written down twice.
    """
    asked = urlencode({"experiment": experiment, "resume": 1})
    address = f"{url.replace('http', 'ws', 1)}/api/v1/events?{asked}"
    bearer = {"Authorization": f"Bearer {token}"}
    while True:
        seen = {frame.job: frame.seq for frame in frames}
        ended = {frame.job for frame in frames if isinstance(frame, End)}
        with suppress(OSError, TimeoutError, EOFError, WebSocketException):
            async with connect(
                address, additional_headers=bearer, ping_interval=PING_SECONDS, proxy=None
            ) as socket:
                await socket.send(json.dumps({"after": seen}))
                async for text in socket:
                    frame = _frame(text)
                    if not (isinstance(frame, End) and frame.job in ended):
                        frames.append(frame)
        await asyncio.sleep(PAUSE_SECONDS)


def _frame(text: str | bytes) -> Frame:
    kind = End if json.loads(text)["kind"] == "end" else Event
    return kind.model_validate_json(text)
