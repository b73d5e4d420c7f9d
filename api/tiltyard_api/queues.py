"""Queues, each named after the worker image that serves it."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from tiltyard.wire import Page, Queue, QueueDraft, QueuePatch
from tiltyard_api.auth import User
from tiltyard_api.http.etags import IfMatch, check_match, etag, hold_still
from tiltyard_api.http.paging import Cursor, Limit, page_of
from tiltyard_api.http.problems import not_found, responses
from tiltyard_api.parts import Here
from tiltyard_orchestrator.storage import queues

routes = APIRouter(prefix="/queues", tags=["queues"])

Name = Annotated[str, Path(max_length=200)]


@routes.post(
    "",
    operation_id="create_queue",
    status_code=201,
    responses={200: {"model": Queue, "description": "It was there already"}, **responses()},
)
async def create_queue(draft: QueueDraft, here: Here, _user: User, response: Response) -> Queue:
    """Make a queue for the workers of an image of your own."""
    async with here.database.transaction() as session:
        queue, new = await queues.create_queue(session, draft, lost_after=here.settings.worker_lost_after)
    response.status_code = 201 if new else 200
    response.headers["ETag"] = etag(queue)
    return queue


@routes.get("", operation_id="list_queues", responses=responses())
async def list_queues(here: Here, _user: User, cursor: Cursor = None, limit: Limit = 100) -> Page[Queue]:
    """List the queues by name, and how busy each is."""
    async with here.database.transaction() as session:
        found = await queues.list_queues(session, lost_after=here.settings.worker_lost_after)
    return page_of(found, lambda queue: queue.name, cursor, limit)


@routes.get("/{name}", operation_id="get_queue", responses=responses(404))
async def get_queue(name: Name, here: Here, _user: User, response: Response) -> Queue:
    """One queue."""
    async with here.database.transaction() as session:
        queue = await queues.get_queue(session, name, lost_after=here.settings.worker_lost_after)
    if queue is None:
        raise not_found("queue", name)
    response.headers["ETag"] = etag(queue)
    return queue


@routes.patch("/{name}", operation_id="update_queue", responses=responses(404, 409, 412))
async def update_queue(
    name: Name, patch: QueuePatch, here: Here, _user: User, response: Response, if_match: IfMatch = None
) -> Queue:
    """Pause, resume or describe a queue. A paused queue takes submissions and starts nothing; what runs goes on."""
    lost_after = here.settings.worker_lost_after
    async with here.database.transaction() as session:
        if if_match is not None:
            await hold_still(session)
            before = await queues.get_queue(session, name, lost_after=lost_after)
            if before is not None:
                check_match(if_match, before)
        queue = await queues.patch_queue(session, name, patch, lost_after=lost_after)
    if queue is None:
        raise not_found("queue", name)
    if patch.paused is False:
        here.keeper.wake()
    response.headers["ETag"] = etag(queue)
    return queue
