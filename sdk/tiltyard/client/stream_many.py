"""The histories of many jobs by one connection, under the same promise as one job's: each event once, each job in order."""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import Any

from tiltyard.client.connection import Connection
from tiltyard.client.patience import Patience
from tiltyard.client.stream import Broken, NoSocket, follows, polled, socket_frames
from tiltyard.wire.events import End, Event, Frame


async def follow_many(
    connection: Connection, *, experiment: str | None, jobs: Collection[str] | None, patience: float
) -> AsyncGenerator[Frame, None]:
    """The events of an experiment's jobs, of some jobs, or of all; an `End` for each that ended."""
    bearing = Patience(patience, connection.url)
    seen: dict[str, int] = {}
    ended: set[str] = set()
    awaited = None if jobs is None else set(jobs)
    by_socket = True
    while awaited is None or not awaited <= ended:
        params: dict[str, Any] = {"experiment": experiment, "job": sorted(jobs) if jobs else None}
        params = {name: value for name, value in params.items() if value is not None}
        opened = (socket_frames if by_socket else polled)(connection, "events", params, bearing)
        try:
            async with aclosing(opened) as frames:
                async for frame in frames:
                    if frame.job in ended or not follows(frame, seen.get(frame.job, -1)):
                        continue
                    bearing.reward()
                    if isinstance(frame, Event):
                        seen[frame.job] = frame.seq
                    else:
                        ended.add(frame.job)
                    yield frame
                    if isinstance(frame, End) and awaited is not None and awaited <= ended:
                        return
        except NoSocket:
            by_socket = False
        except Broken as why:
            by_socket = True
            await bearing.bear(str(why))
