"""The histories of many jobs by one connection, under the same promise as one job's: each event once, each job in order.

A stream that breaks is opened again with the `seq` of the last event of each job as its first message.
"""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing

from tiltyard.client.connection import Connection, given
from tiltyard.client.errors import Refused, Unreachable
from tiltyard.client.patience import Patience
from tiltyard.client.stream import Broken, NoSocket, follows, socket_frames
from tiltyard.wire.events import End, Event, Frame


async def follow_many(
    connection: Connection,
    *,
    experiment: str | None,
    jobs: Collection[str] | None,
    patience: float,
    sweep: str | None = None,
    over: Callable[[Collection[str]], Awaitable[bool]] | None = None,
) -> AsyncGenerator[Frame, None]:
    """The events of an experiment's jobs, of a sweep's, of some jobs, or of all; an `End` for each that ended.

    Args:
        connection: the way to the gateway.
        experiment: of this experiment's jobs.
        jobs: of these jobs; it ends with the last of them.
        patience: seconds that an unreachable gateway is borne.
        sweep: of this sweep's jobs, by its whole id.
        over: told which jobs' ends were seen, whether nothing is to come any more; asked when the stream was closed.
    """
    bearing = Patience(patience, connection.url)
    seen: dict[str, int] = {}
    awaited = None if jobs is None else set(jobs)
    ended: set[str] = set()
    while awaited is None or not awaited <= ended:
        opened = _open(connection, {"experiment": experiment, "sweep": sweep}, jobs, seen, bearing)
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
        except NoSocket as refused:
            await _hear_refusal(connection)
            raise Unreachable(
                f"Following many jobs needs a WebSocket to {connection.url}; follow each by itself."
            ) from refused
        except Broken as why:
            if over and ended.issuperset(seen) and await over(ended):
                return
            await bearing.bear(str(why))


async def _hear_refusal(connection: Connection) -> None:
    # What the gateway itself has against it comes first; otherwise it is something in between that passes no WebSockets.
    try:
        await connection.send("GET", "events")
    except Refused as refused:
        if refused.code != "upgrade_required":
            raise


def _open(
    connection: Connection,
    of: Mapping[str, str | None],
    jobs: Collection[str] | None,
    seen: dict[str, int],
    bearing: Patience,
) -> AsyncGenerator[Frame, None]:
    params = given({**of, "job": sorted(jobs) if jobs is not None else None, "resume": 1})
    return socket_frames(connection, "events", params, bearing, json.dumps({"after": seen}))
