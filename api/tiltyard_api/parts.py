"""What a gateway is made of, made once at its start and handed to every request."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from tiltyard_orchestrator.artifacts.store import Store
from tiltyard_orchestrator.broker.hints import Hints
from tiltyard_orchestrator.broker.publish import Publisher
from tiltyard_orchestrator.keeper.loops import Keeper
from tiltyard_orchestrator.settings import Settings
from tiltyard_orchestrator.storage.database import Database


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The gateway's parts."""

    settings: Settings
    database: Database
    store: Store
    publisher: Publisher
    hints: Hints
    keeper: Keeper
    spool: Path
    """Where uploads wait until they are whole and checked."""
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the gateway is about to stop: streams say good-bye, so that their clients go elsewhere at once."""

    def changed(self, job: str, *, due: bool = False) -> None:
        """Say that a job's history has grown; called after the commit, never before."""
        self.hints.announce(job)
        if due:
            self.keeper.wake()


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the gateway that a request came to."""
    parts: Parts = connection.app.state.parts
    return parts


Here = Annotated[Parts, Depends(parts_of)]
