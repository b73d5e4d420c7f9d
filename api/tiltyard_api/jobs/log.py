"""What a job printed, as plain text."""

from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from tiltyard_api.auth import User
from tiltyard_api.http.problems import responses
from tiltyard_api.jobs.routes import JobId, known_job
from tiltyard_api.parts import Here, Parts
from tiltyard_orchestrator.storage.jobs.events import read_log

routes = APIRouter(tags=["jobs"])

PAGE = 100
TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The text", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@routes.get(
    "/jobs/{job}/log",
    operation_id="get_job_log",
    response_class=StreamingResponse,
    responses={**TEXT, **responses(404, 409)},
)
async def get_job_log(
    job: JobId, here: Here, _user: User, stream: Literal["stdout", "stderr"] | None = None
) -> StreamingResponse:
    """What the job printed so far, both streams as they came, or one of them."""
    found = await known_job(here, job)
    return StreamingResponse(
        _text(here, found.id, stream),
        media_type="text/plain; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


async def _text(here: Parts, job: str, stream: str | None) -> AsyncIterator[str]:
    after = -1
    while True:
        async with here.database.transaction() as session:
            events = await read_log(session, job, after=after, limit=PAGE, stream=stream)
        for event in events:
            if dropped := event.data.get("dropped"):
                yield f"\n[{dropped} bytes left out here]\n"
            yield str(event.data.get("text", ""))
        if len(events) < PAGE:
            return
        after = events[-1].seq
