"""Tasks: what the current versions of all plugins offer, and the queues whose workers can load each."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from tiltyard.wire import Availability, Kind, Page, PluginPin, Task, TaskListing, Type
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit, page_of
from tiltyard_api.http.problems import responses
from tiltyard_api.parts import Here
from tiltyard_orchestrator.domain.images import Image, Need, missing
from tiltyard_orchestrator.storage.plugins.read import current_versions, requirements
from tiltyard_orchestrator.storage.queues import queue_names

routes = APIRouter(tags=["tasks"])

Word = Annotated[str | None, Query(max_length=200)]


@routes.get("/tasks", operation_id="list_tasks", responses=responses())
async def list_tasks(
    here: Here,
    _user: User,
    search: Annotated[
        str | None, Query(max_length=200, description="Words that its name, path, texts or tags hold.")
    ] = None,
    kind: Annotated[Kind | None, Query(alias="type", description="Of an input or an output.")] = None,
    tag: Word = None,
    plugin: Word = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[TaskListing]:
    """List the tasks of the current versions, by path, and where each can be used."""
    async with here.database.transaction() as session:
        versions = await current_versions(session, plugin)
        pins = [PluginPin(name=name, version=version, sha256=sha256) for name, version, sha256 in versions]
        offers = await here.catalogue.offers(session, pins)
        requires = await requirements(session, [(pin.name, pin.version) for pin in pins])
        images = await here.catalogue.images(session, lost_after=here.settings.worker_lost_after)
        queues = await queue_names(session)
    found = [task for offer in offers.values() for task in offer.tasks if _fits(task, search, kind, tag)]
    page = page_of(found, lambda task: task.path, cursor, limit)
    listings = [
        TaskListing(
            task=task,
            queues=_availability(
                Need(requires=requires.get((task.plugin, task.version), []), imports=task.imports),
                {queue: images.get(queue, ()) for queue in queues},
            ),
        )
        for task in page.items
    ]
    return Page(items=listings, next=page.next)


def _availability(need: Need, queues: dict[str, Sequence[Image]]) -> list[Availability]:
    found = []
    for queue, images in queues.items():
        lacks = missing(need, images)
        if lacks is None:
            found.append(Availability(queue=queue, why="no worker of it was heard of lately"))
        else:
            why = f"its image lacks {', '.join(lacks)}" if lacks else ""
            found.append(Availability(queue=queue, available=not lacks, why=why))
    return found


def _fits(task: Task, search: str | None, kind: Kind | None, tag: str | None) -> bool:
    if tag is not None and tag.casefold() not in {one.casefold() for one in task.tags}:
        return False
    if kind is not None:
        types = [*(one.type for one in task.inputs), *(one.type for one in task.outputs)]
        if not any(_holds(one, kind) for one in types):
            return False
    if search is None:
        return True
    said = " ".join([task.name, task.path, task.summary, task.description, *task.tags]).casefold()
    return all(word in said for word in search.casefold().split())


def _holds(found: Type, kind: Kind) -> bool:
    return found.kind is kind or any(_holds(inner, kind) for inner in found.of)
