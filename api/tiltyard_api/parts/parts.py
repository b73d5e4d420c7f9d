"""What a gateway is made of, made once at its start and handed to every request."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from tiltyard.wire import JobState
from tiltyard_api.drawing import Easel
from tiltyard_api.parts.catalogue import Catalogue
from tiltyard_api.parts.checkup import Checkup
from tiltyard_api.parts.guests import Guests
from tiltyard_api.parts.reading import Reader
from tiltyard_api.readers.pool import ReaderPool
from tiltyard_orchestrator.artifacts.store import Store
from tiltyard_orchestrator.broker.hints import Hints
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.keeper.loops import Keeper
from tiltyard_orchestrator.settings import Settings
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.tracking.experiments import TrackedExperiments
from tiltyard_orchestrator.tracking.model_files import Files
from tiltyard_orchestrator.tracking.server import Tracking


@dataclass(frozen=True, kw_only=True)
class Pace:
    """The clocks of the event stream, in seconds."""

    poll: float = 5
    """A stream that no hint wakes looks by itself: this repairs a lost one."""
    send: float = 10
    """A frame that a client does not take for this long is the last one it is sent."""
    ping: float = 20
    """Between two pings, and until the answer to one: a client that gives none has vanished."""
    farewell: float = 60
    """How long a client that was too slow may still come to read why it was closed."""
    patience: float = 30
    """How long a stream waits for a database that is away before it sends its client elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The gateway's parts."""

    settings: Settings
    database: Database
    store: Store
    publisher: Publisher
    hints: Hints
    keeper: Keeper
    keeping: asyncio.Task[None]
    """The keeper's loops."""
    checkup: Checkup
    guests: Guests
    reader: Reader
    tracking: Tracking | None = None
    """MLflow; None where this testbed has none."""
    experiments: TrackedExperiments | None = None
    """The experiments in it."""
    catalogue: Catalogue = field(default_factory=Catalogue)
    model_digests: dict[tuple[str, str, Files], str] = field(default_factory=dict)
    """Of versions of models that say none themselves, as long as their files are the same."""
    easel: Easel = field(default_factory=Easel)
    spool: Path
    """Where uploads wait until they are whole and checked."""
    inspections: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Opening a bundle costs a thread and seconds: a few at a time leave threads for everything else."""
    readers: ReaderPool = field(default_factory=ReaderPool)
    """Where uploads are read."""
    pace: Pace = field(default_factory=Pace)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway is about to stop: streams say good-bye, so that their clients go elsewhere at once."""

    def experiments_changed(self) -> None:
        """Say that an experiment was made, renamed or removed; called after the commit."""
        if self.experiments is not None:
            self.experiments.wake()

    def changed(self, job: str, *, state: JobState | None = None) -> None:
        """Say that a job's history has grown, and to where, if it moved; called after the commit, never before."""
        self.hints.announce(job)
        if state is JobState.queued:
            self.keeper.wake()
        elif state is not None and state.final:
            self.keeper.settle(job)


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the gateway that a request came to."""
    parts: Parts = connection.app.state.parts
    return parts


Here = Annotated[Parts, Depends(parts_of)]
