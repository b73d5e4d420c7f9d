"""What every part of the clients works with."""

import re

from tiltyard.client.connection import Connection, segment
from tiltyard.client.portal import Portal
from tiltyard.wire.jobs import Job

_JOB_ID = re.compile("[0-9a-f]{20}")


class Calls:
    """A part of an `AsyncClient`."""

    _connection: Connection
    _patience: float
    """Seconds that following bears an unreachable gateway."""

    async def _job(self, job: str | Job) -> Job:
        return await self._connection.ask(Job, "GET", f"jobs/{segment(name_of(job))}")

    async def _id(self, job: str | Job) -> str:
        """A job's whole id; the gateway is asked where only its beginning is given."""
        name = name_of(job)
        return name if _JOB_ID.fullmatch(name) else (await self._job(name)).id


class Driven:
    """A part of a `Client`. `_client`, which each part names as what it drives, is the `AsyncClient`."""

    _portal: Portal


def name_of(job: str | Job) -> str:
    """A job's id, or the beginning of one, as it was given."""
    return job.id if isinstance(job, Job) else job
