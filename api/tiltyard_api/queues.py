"""Queues, each named after the worker image that serves it."""

from fastapi import APIRouter, Response

from tiltyard.wire import Page, Queue, QueueDraft, QueuePatch
from tiltyard_api.auth import User
from tiltyard_api.parts import Here
from tiltyard_api.problems import not_found, responses
from tiltyard_orchestrator.storage import queues

routes = APIRouter(prefix="/queues", tags=["queues"])


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
    return queue


@routes.get("", operation_id="list_queues", responses=responses())
async def list_queues(here: Here, _user: User) -> Page[Queue]:
    """List the queues and how busy each is."""
    async with here.database.transaction() as session:
        return Page(items=await queues.list_queues(session, lost_after=here.settings.worker_lost_after))


@routes.patch("/{name}", operation_id="update_queue", responses=responses(404))
async def update_queue(name: str, patch: QueuePatch, here: Here, _user: User) -> Queue:
    """Pause, resume or describe a queue. A paused queue takes submissions and starts nothing; what runs goes on."""
    if "\0" in name:
        raise not_found("queue", name)
    async with here.database.transaction() as session:
        queue = await queues.patch_queue(session, name, patch, lost_after=here.settings.worker_lost_after)
    if queue is None:
        raise not_found("queue", name)
    if patch.paused is False:
        here.keeper.wake()
    return queue
