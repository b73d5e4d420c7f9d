"""Workers: what each says of itself, which were not heard of for too long, and what each is told to do."""

from typing import Annotated

from fastapi import APIRouter, Path

from tiltyard.wire import Page, ProblemItem, Worker, WorkerHeartbeat, WorkerOrder, WorkerState
from tiltyard_api import auth
from tiltyard_api.http.paging import Cursor, Limit, page_of
from tiltyard_api.http.problems import Refused, invalid, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_orchestrator.storage import queues, workers

routes = APIRouter(prefix="/workers", tags=["workers"])

WorkerId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:@-]{1,200}$")]


@routes.get("", operation_id="list_workers", responses=responses())
async def list_workers(
    here: Here, _user: auth.User, cursor: Cursor = None, limit: Limit = 100
) -> Page[Worker]:
    """List the workers that were seen within a week."""
    async with here.database.transaction() as session:
        found = await workers.list_workers(session, lost_after=here.settings.worker_lost_after)
    return page_of(found, lambda worker: worker.id, cursor, limit)


@routes.put("/{worker}", operation_id="put_worker", responses=responses(404))
async def put_worker(
    worker: WorkerId, heartbeat: WorkerHeartbeat, here: Here, _worker: auth.Worker
) -> Worker:
    """A worker's heartbeat: what it serves and does."""
    if heartbeat.state is WorkerState.lost:
        detail = "`lost` is the gateway's word for a worker that says nothing"
        raise invalid([ProblemItem(pointer="/state", code="not_yours", detail=detail)], "invalid_request")
    async with here.database.transaction() as session:
        known = await queues.queue_names(session)
        recorded = None
        if heartbeat.queue in known:
            recorded = await workers.record_heartbeat(
                session, worker, heartbeat, lost_after=here.settings.worker_lost_after
            )
    if heartbeat.modules is not None or heartbeat.packages is not None:
        here.catalogue.forget_images()
    if recorded is not None:
        return recorded
    detail = f"there is no queue {heartbeat.queue!r}; there are {', '.join(known)}"
    item = ProblemItem(pointer="/queue", code="unknown_queue", detail=detail)
    raise Refused(404, "unknown_queue", detail, [item])


@routes.post("/{worker}/drain", operation_id="drain_worker", responses=responses(404))
async def drain_worker(worker: WorkerId, here: Here, _user: auth.User) -> Worker:
    """Have a worker finish its job and take nothing new, until it is told to rejoin."""
    return await _order(here, worker, WorkerOrder.drain)


@routes.post("/{worker}/stop", operation_id="stop_worker", responses=responses(404))
async def stop_worker(worker: WorkerId, here: Here, _user: auth.User) -> Worker:
    """Have a worker hand its job back, which does not count as an attempt, and end."""
    return await _order(here, worker, WorkerOrder.stop)


@routes.post("/{worker}/rejoin", operation_id="rejoin_worker", responses=responses(404))
async def rejoin_worker(worker: WorkerId, here: Here, _user: auth.User) -> Worker:
    """Have a worker that was told to drain take jobs again."""
    return await _order(here, worker, None)


async def _order(here: Parts, worker: str, order: WorkerOrder | None) -> Worker:
    async with here.database.transaction() as session:
        told = await workers.order_worker(session, worker, order, lost_after=here.settings.worker_lost_after)
    if told is None:
        raise not_found("worker", worker)
    return told
