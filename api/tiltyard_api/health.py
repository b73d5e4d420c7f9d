"""Health: whether each part answers now. It needs no token and tells nothing else."""

from typing import Literal

from fastapi import APIRouter, Response

from tiltyard import __version__
from tiltyard.wire import WireModel
from tiltyard_api.parts import Here

routes = APIRouter(tags=["health"])


class Health(WireModel):
    """How the gateway is. Jobs are accepted while the database answers; the rest catches up when it is back."""

    status: Literal["ok", "degraded", "down"]
    """`degraded`: jobs are accepted, and something else is away or full; `down`: they are not."""
    version: str
    database: bool
    broker: bool
    """Away, jobs are accepted and start later."""
    store: bool
    """Away, archives are not accepted, and files cannot be had."""
    store_full: bool
    """There is no room: what is sent is answered with 507 `store_full`, jobs whose archives are here are accepted."""
    keeper: bool
    """Whether this gateway publishes what is due and notices workers that were lost."""


@routes.get(
    "/health",
    operation_id="get_health",
    responses={503: {"model": Health, "description": "It can accept no job"}},
)
async def get_health(here: Here, response: Response) -> Health:
    """How the gateway is; 503 when it can accept no job."""
    answers = await here.checkup.look()
    keeper = here.keeper.pulse.looking and here.keeper.pulse.publishing and not here.keeping.done()
    response.status_code = 200 if answers.database else 503
    status: Literal["ok", "degraded", "down"] = "down"
    if answers.database:
        well = answers.broker and answers.store and answers.room and keeper
        status = "ok" if well else "degraded"
    return Health(
        status=status,
        version=__version__,
        database=answers.database,
        broker=answers.broker,
        store=answers.store,
        store_full=answers.store and not answers.room,
        keeper=keeper,
    )
