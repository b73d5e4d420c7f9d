"""A steady load: jobs submitted until they are accepted, and every one followed to its end by two followers.

What the followers saw is the evidence that the verdict is given on, so nothing here repairs, sorts or drops a frame.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.background import Background
from tests.faults.bystander import watch
from tests.servers import wait_for
from tiltyard.client.aio import AsyncClient
from tiltyard.client.errors import Refused, TiltyardError, Unreachable
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.events import End, Frame
from tiltyard.wire.jobs import Job

ARCHIVE = Path(__file__).parent / "job"
EXPERIMENT = "faults"
MAX_ATTEMPTS = 6
PATIENCE_SECONDS = 600.0
SHORTEST, LONGEST = 0.5, 2.5
"""How many seconds a job runs."""
STRAYS_EVERY = 3
"""One in so many jobs leaves a process that nobody but the fence ends."""


@dataclass(eq=False)
class Sent:
    """One submission, and all that its sender ever learned of it."""

    key: str
    seconds: float
    stray: bool
    at: float
    job: str | None = None
    """The job's id, once the submission was accepted."""
    answers: set[str] = field(default_factory=set)
    """Every id that an answer named: there may be but one."""
    frames: list[Frame] = field(default_factory=list)
    """What its own follower saw, in the order in which it came."""
    accepted_at: float | None = None
    ended_at: float | None = None
    error: str | None = None


class Load:
    """Clients that submit and follow.

    Args:
        url: where the gateways are found.
        token: a user's.
        port: where jobs tell of themselves.
        rng: decides how long each job runs.
    """

    def __init__(self, url: str, token: str, port: int, rng: random.Random) -> None:
        self.mark = f"tyf-{secrets.token_hex(4)}"
        """What the command line of every job of this load has in it."""
        self.sent: list[Sent] = []
        self.crowd: list[Frame] = []
        """What the one follower of the whole experiment saw."""
        self.crowd_error: str | None = None
        self.bystander: list[Frame] = []
        """What one saw who follows the whole experiment without our client."""
        self._url, self._token, self._port, self._rng = url, token, port, rng
        self._background = Background("load")
        self._client = AsyncClient(url, token, patience=PATIENCE_SECONDS, retry_for=30)
        self._archive = ""
        self._feeding = asyncio.Event()
        self._want = 0

    def start(self, *, want: int) -> None:
        """Begin to keep so many jobs in flight."""
        self._want = want
        self._background.run(self._begin())

    @property
    def in_flight(self) -> int:
        """How many jobs were sent and have not been seen to end."""
        return sum(1 for one in self.sent if one.ended_at is None and one.error is None)

    @property
    def accepted(self) -> list[Sent]:
        """The submissions that were accepted."""
        return [one for one in self.sent if one.job is not None]

    @property
    def given_up(self) -> list[str]:
        """Why clients went away before the end: each is a finding, and there is no use in going on."""
        return [one.error for one in self.sent if one.error is not None]

    def submit(self, *, url: str | None = None, seconds: float | None = None) -> Sent:
        """Submit one job more, by another address if need be; does not wait for an answer."""
        return self._background.run(self._add(url, seconds))

    def sent_as(self, job: str) -> Sent | None:
        """What is known of a job."""
        return next((one for one in self.sent if one.job == job), None)

    def stop(self, *, quiet_seconds: float) -> None:
        """Submit nothing more, and wait until all have ended, or nothing has changed for so long."""
        self._background.run(self._starve())
        seen, since = self._progress(), time.monotonic()
        while self.in_flight and time.monotonic() - since < quiet_seconds:
            with suppress(TimeoutError):
                wait_for(lambda: not self.in_flight, seconds=1)
            if (now := self._progress()) != seen:
                seen, since = now, time.monotonic()
        with suppress(TimeoutError):
            wait_for(self._crowd_is_complete, seconds=20)

    def artifacts(self, jobs: Iterable[str]) -> dict[str, list[Artifact]]:
        """The files that a client is shown of each job."""
        return self._background.run(self._artifacts(list(jobs)), seconds=600)

    def close(self) -> None:
        """Leave."""
        self._background.run(self._client.close())
        self._background.close()

    def _progress(self) -> tuple[int, int]:
        return sum(len(one.frames) for one in self.sent), len(self.accepted)

    def _crowd_is_complete(self) -> bool:
        ended = {one.job for one in self.accepted if one.ended_at is not None}
        return all(
            ended <= {frame.job for frame in list(seen) if isinstance(frame, End)}
            for seen in (self.crowd, self.bystander)
        )

    async def _begin(self) -> None:
        self._archive = (await self._client.upload(ARCHIVE)).sha256
        with suppress(Refused):
            await self._client.create_experiment(EXPERIMENT)
        self._feeding.set()
        watching = watch(self._url, self._token, EXPERIMENT, self.bystander)
        self._tasks = [asyncio.create_task(one) for one in (self._feed(), self._follow_crowd(), watching)]

    async def _artifacts(self, jobs: list[str]) -> dict[str, list[Artifact]]:
        return {job: await self._client.artifacts(job) for job in jobs}

    async def _starve(self) -> None:
        self._feeding.clear()

    async def _feed(self) -> None:
        while True:
            await self._feeding.wait()
            while self._feeding.is_set() and self.in_flight < self._want:
                await self._add(None, None)
            await asyncio.sleep(0.02)

    async def _add(self, url: str | None, seconds: float | None) -> Sent:
        length = self._rng.uniform(SHORTEST, LONGEST) if seconds is None else seconds
        number = len(self.sent)
        stray = number % STRAYS_EVERY == 0
        sent = Sent(f"{self.mark}-{number}", round(length, 2), stray, time.monotonic())
        self.sent.append(sent)
        self._tasks.append(asyncio.create_task(self._live(sent, url)))
        return sent

    async def _live(self, sent: Sent, url: str | None) -> None:
        try:
            job = await self._accepted(sent, url)
            sent.accepted_at, sent.job = time.monotonic(), job.id
            async for frame in self._client.follow(job.id):
                sent.frames.append(frame)
                if isinstance(frame, End):
                    sent.ended_at = time.monotonic()
        except TiltyardError as error:
            sent.error = f"{type(error).__name__}: {error}"

    async def _accepted(self, sent: Sent, url: str | None) -> Job:
        """Submit until an answer comes; every try has the same key, so that only one job is made of them."""
        client = self._client if url is None else AsyncClient(url, self._token, retry_for=30)
        try:
            while True:
                with suppress(Unreachable):
                    return await self._submitted(client, sent)
                await asyncio.sleep(0.2)
        finally:
            if client is not self._client:
                await client.close()

    async def _submitted(self, client: AsyncClient, sent: Sent) -> Job:
        job = await client.submit(
            self._archive,
            idempotency_key=sent.key,
            experiment=EXPERIMENT,
            parameters={"seconds": sent.seconds, "port": self._port, "mark": sent.key, "stray": sent.stray},
            max_attempts=MAX_ATTEMPTS,
        )
        sent.answers.add(job.id)
        return job

    async def _follow_crowd(self) -> None:
        try:
            async for frame in self._client.follow_many(experiment=EXPERIMENT):
                self.crowd.append(frame)
        except TiltyardError as error:
            self.crowd_error = f"{type(error).__name__}: {error}"
