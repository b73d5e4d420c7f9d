"""ETags of what can be changed, and `If-Match`: a change is made only to what its caller has seen."""

import hashlib
from typing import Annotated

from fastapi import Header
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Experiment, Plugin, PluginVersion, Queue
from tiltyard_api.http.problems import Refused

IfMatch = Annotated[str | None, Header(alias="If-Match", description="The ETag that the change builds on.")]


Changeable = Experiment | Queue | Plugin | PluginVersion


def etag(thing: Changeable) -> str:
    """What of a thing can be changed by a request, in short. How its jobs stand is no part of it."""
    match thing:
        case Experiment():
            stamp = [thing.name, thing.description, thing.updated_at.isoformat()]
        case Queue():
            stamp = [thing.name, thing.description, str(thing.paused), thing.created_at.isoformat()]
        case Plugin():
            stamp = [thing.name, str(thing.current), str(thing.versions), thing.updated_at.isoformat()]
        case PluginVersion():
            told = [str(thing.current), str(thing.deprecated), thing.state.value]
            stamp = [thing.plugin, thing.version, thing.sha256, *told]
    return f'"{hashlib.sha256(chr(0).join(stamp).encode()).hexdigest()[:16]}"'


async def hold_still(session: AsyncSession) -> None:
    """Let a transaction see one moment alone: a change that another one makes meanwhile fails it, and is not overwritten.

    Called before anything is read.
    """
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def check_match(given: str | None, thing: Changeable) -> None:
    """Refuse a change to what is not any more as its caller saw it."""
    if given is None or given.strip() == "*":
        return
    if etag(thing) not in {tag.strip() for tag in given.split(",")}:
        raise Refused(412, "changed_since", "it was changed since you read it; read it again")
