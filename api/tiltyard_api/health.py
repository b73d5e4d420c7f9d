"""Health: whether each part answers now. It needs no token and tells nothing else."""

import asyncio

from fastapi import APIRouter, Response

from tiltyard import __version__
from tiltyard.wire import WireModel
from tiltyard_api.parts import Here

routes = APIRouter(tags=["health"])


class Health(WireModel):
    """How the gateway is. Jobs are accepted while the database answers; the rest catches up when it is back."""

    status: str
    """`ok`; `degraded` when jobs are accepted and something else is away; `down` when they are not."""
    version: str
    database: bool
    broker: bool
    store: bool


@routes.get("/health", operation_id="get_health", responses={503: {"model": Health}})
async def get_health(here: Here, response: Response) -> Health:
    """How the gateway is; 503 when it can accept no job."""
    database, store = await asyncio.gather(here.database.ready(), here.store.ready())
    broker = here.keeper.pulse.publishing and await here.publisher.ready()
    response.status_code = 200 if database else 503
    status = "down" if not database else "ok" if broker and store else "degraded"
    return Health(status=status, version=__version__, database=database, broker=broker, store=store)
