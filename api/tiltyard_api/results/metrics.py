"""Metrics of a job: each as it stands, the history of one, and values that somebody other than the job records."""

from collections.abc import Collection, Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Body, Query

from tiltyard.wire import Job, Metric, MetricDraft, MetricHistory, Page
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit, page_of
from tiltyard_api.http.paths import NAME
from tiltyard_api.http.problems import Refused, not_found, responses
from tiltyard_api.jobs.routes import JobId, known_job
from tiltyard_api.parts import Here, Parts
from tiltyard_orchestrator.domain.parameters import did_you_mean, shown
from tiltyard_orchestrator.storage.cursor import BadCursor, decode_place, encode
from tiltyard_orchestrator.storage.results.history import leaves_out, read_history
from tiltyard_orchestrator.storage.results.metrics import latest_metrics
from tiltyard_orchestrator.storage.results.post import post_metrics
from tiltyard_orchestrator.tracking.logged import log_metrics, read_logged
from tiltyard_orchestrator.tracking.server import TrackingAway, TrackingRefused

routes = APIRouter(tags=["results"])
log = structlog.get_logger(__name__)

MOST_AT_ONCE = 1_000
"""Values of one request: as many as MLflow takes in a batch."""
Values = Annotated[int, Query(ge=1, le=10_000, description="Values of one page at most.")]
Names = Annotated[
    list[Annotated[str, Query(max_length=300)]] | None, Query(description="Only these.", max_length=100)
]


@routes.get("/jobs/{job}/metrics", operation_id="list_metrics", responses=responses(404, 409))
async def list_metrics(
    job: JobId, here: Here, _user: User, name: Names = None, cursor: Cursor = None, limit: Limit = 100
) -> Page[Metric]:
    """A job's metrics by name, each as it stands: its last value by step, told by the newest attempt or posted."""
    found = await known_job(here, job)
    standing = await _standing(here, found)
    for one in name or ():
        if one not in standing:
            raise _unknown(found, one, standing)
    return page_of(
        [metric for metric in standing.values() if not name or metric.name in name], _name, cursor, limit
    )


@routes.get("/jobs/{job}/metrics/" + NAME, operation_id="get_metric_history", responses=responses(404, 409))
async def get_metric_history(
    job: JobId, name: str, here: Here, _user: User, cursor: Cursor = None, limit: Values = 1_000
) -> MetricHistory:
    """The values of a metric: by step, what the newest attempt told and what was posted. Its name may hold slashes."""
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        complete = not await leaves_out(session, found.id, name)
    if not complete and (whole := await _asked_of_mlflow(here, found, name, cursor, limit)):
        return whole
    async with here.database.transaction() as session:
        told = await read_history(session, found.id, name, cursor=cursor, limit=limit)
    if not told.items and cursor is None:
        raise _unknown(found, name, await _standing(here, found))
    return MetricHistory(
        job=found.id, name=name, complete=complete, source="events", items=told.items, next=told.next
    )


@routes.post(
    "/jobs/{job}/metrics", operation_id="create_metrics", status_code=201, responses=responses(404, 409)
)
async def create_metrics(
    job: JobId,
    drafts: Annotated[list[MetricDraft], Body(min_length=1, max_length=MOST_AT_ONCE)],
    here: Here,
    _user: User,
    after: BackgroundTasks,
) -> list[Metric]:
    """Record metrics of a job that it did not tell itself, also when it has ended. No event and no outcome changes.

    The answer is each of them as it stands: a value of a higher step is not replaced.
    """
    found = await known_job(here, job)
    async with here.database.transaction() as session:
        standing = await post_metrics(session, found.id, drafts)
    if standing is None:
        raise not_found("job", job)
    after.add_task(_tell_mlflow, here, found, drafts)
    return list(standing.values())


def _name(metric: Metric) -> str:
    return metric.name


async def _standing(here: Parts, job: Job) -> dict[str, Metric]:
    async with here.database.transaction() as session:
        return (await latest_metrics(session, [job.id])).get(job.id, {})


def _unknown(job: Job, name: str, known: Collection[str]) -> Refused:
    so_far = "" if job.state.final else " so far"
    detail = f"job {job.id} has no metric {shown(name)}{so_far}{did_you_mean(name, known)}"
    return Refused(404, "no_such_metric", detail)


async def _asked_of_mlflow(
    here: Parts, job: Job, name: str, cursor: str | None, limit: int
) -> MetricHistory | None:
    """What MLflow has of a metric; None where it cannot be had now, and the events are the best there is."""
    match [] if cursor is None else decode_place(cursor):
        case []:
            page = None
        case ["mlflow", str(token)]:
            page = token
        case _:
            return None  # a reader of the events goes on with them
    if here.tracking is None or job.mlflow_run_id is None:
        return None
    run, attempt = job.mlflow_run_id, job.attempt
    try:
        logged = await read_logged(here.tracking, run, name, attempt=attempt, page=page, limit=limit)
    except (TrackingAway, TrackingRefused) as error:
        if page is not None and isinstance(error, TrackingRefused):
            raise BadCursor("this cursor is not one that a list gave out") from error
        if page is not None:
            raise
        log.warning("history_left_incomplete", job=job.id, metric=name, error=str(error))
        return None
    following = None if logged.next is None else encode("mlflow", logged.next)
    return MetricHistory(
        job=job.id, name=name, complete=True, source="mlflow", items=logged.items, next=following
    )


async def _tell_mlflow(here: Parts, job: Job, drafts: Sequence[MetricDraft]) -> None:
    # Ours are written; its copy is a courtesy to who looks there.
    if here.tracking is None or job.mlflow_run_id is None:
        return
    try:
        await log_metrics(here.tracking, job.mlflow_run_id, drafts)
    except (TrackingAway, TrackingRefused) as error:
        log.warning("mlflow_not_told", job=job.id, error=str(error))
