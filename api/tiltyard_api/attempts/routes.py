"""The worker's side of the protocol: heartbeat, claim, report, finish, release, and an attempt's files."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response

from tiltyard.wire import (
    Artifact,
    Claim,
    ClaimRequest,
    Finish,
    FinishAnswer,
    JobState,
    ProblemItem,
    Report,
    ReportAnswer,
)
from tiltyard_api.artifacts.routes import LARGEST_ARTIFACT, check_digest, clean_path, media_type_of
from tiltyard_api.attempts.given import send_input
from tiltyard_api.auth import AttemptOnly, Worker, superseded
from tiltyard_api.http.paths import PATH
from tiltyard_api.http.problems import Refused, invalid, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_api.transfer.download import RANGES
from tiltyard_api.transfer.upload import raw_body, receive
from tiltyard_orchestrator.artifacts.keys import artifact_key
from tiltyard_orchestrator.storage.access import tokens
from tiltyard_orchestrator.storage.jobs import artifacts
from tiltyard_orchestrator.storage.jobs.claim import Claimed, claim
from tiltyard_orchestrator.storage.jobs.events import standing
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.inputs import find_input
from tiltyard_orchestrator.storage.jobs.release import release
from tiltyard_orchestrator.storage.jobs.report import ReportGap, report

routes = APIRouter(tags=["attempts"])

MOST_BYTES = 32 << 30
"""Of all files of an attempt."""
MOST_FILES = 5_000
CLAIM_PAUSES = (0.01, 0.03, 0.1, 0.3)
"""Seconds before a claim looks again for a job that is locked: who rings for it, or ends it, has it for a moment."""
Epoch = Annotated[int, Path(ge=1, le=2**31 - 1)]


@routes.post("/queues/{queue}/claim", operation_id="claim_job", responses=responses(409))
async def claim_job(queue: str, asked: ClaimRequest, here: Here, _worker: Worker) -> Claim:
    """Start the next attempt of the job whose turn it is in a queue. The same token gets the same job again."""
    timing = here.settings
    for pause in (*CLAIM_PAUSES, None):
        async with here.database.transaction() as session:
            claimed = await claim(
                session,
                worker=asked.worker,
                queue=queue,
                token_sha256=tokens.fingerprint(asked.token),
                lease_seconds=timing.lease_seconds,
            )
        if isinstance(claimed, Claimed):
            break
        if pause is None or not claimed.locked:
            raise Refused(409, "nothing_to_claim", claimed.why)
        await asyncio.sleep(pause)
    assert isinstance(claimed, Claimed), "the loop ends with one, or not at all"
    here.changed(claimed.job)
    clocks = {"lease_seconds": timing.lease_seconds, "renew_seconds": timing.renew_seconds}
    tracked = here.tracking is not None
    return Claim(**asdict(claimed) | clocks, token=asked.token, tracked=tracked)


@routes.post(
    "/attempts/{job}/{epoch}/report",
    operation_id="report_attempt",
    dependencies=[AttemptOnly],
    responses=responses(409),
)
async def report_attempt(job: str, epoch: Epoch, news: Report, here: Here) -> ReportAnswer:
    """Renew the lease and append what is new. The same report sent again changes nothing."""
    try:
        async with here.database.transaction() as session:
            answer = await report(
                session, job=job, epoch=epoch, news=news, lease_seconds=here.settings.lease_seconds
            )
    except ReportGap as gap:
        raise _gap(gap) from gap
    if answer is None:
        raise superseded(job, epoch)
    if news.events:
        here.changed(job)
    return answer


@routes.post(
    "/attempts/{job}/{epoch}/finish",
    operation_id="finish_attempt",
    dependencies=[AttemptOnly],
    responses=responses(409),
)
async def finish_attempt(job: str, epoch: Epoch, result: Finish, here: Here) -> FinishAnswer:
    """Write the result. The same result sent again gets the same answer."""
    if not result.state.final:
        detail = f"an attempt ends in a final state, not {result.state}"
        raise invalid([ProblemItem(pointer="/state", code="not_final", detail=detail)], "invalid_request")
    try:
        async with here.database.transaction() as session:
            answer = await finish(session, job=job, epoch=epoch, result=result, backoff=here.settings.backoff)
    except ReportGap as gap:
        raise _gap(gap) from gap
    if answer is None:
        raise superseded(job, epoch)
    here.changed(job, state=answer.state)
    return answer


@routes.post(
    "/attempts/{job}/{epoch}/release",
    operation_id="release_attempt",
    dependencies=[AttemptOnly],
    status_code=204,
    responses=responses(409),
)
async def release_attempt(job: str, epoch: Epoch, here: Here) -> None:
    """Hand the job back: it is queued again, and this attempt does not count."""
    async with here.database.transaction() as session:
        released = await release(session, job=job, epoch=epoch)
    if released is None:
        raise superseded(job, epoch)
    here.changed(job, state=released)


@routes.get(
    "/attempts/{job}/{epoch}/inputs/{parameter}",
    operation_id="download_attempt_input",
    response_class=Response,
    dependencies=[AttemptOnly],
    responses={**RANGES, **responses(404, 409)},
)
async def download_attempt_input(
    job: str, epoch: Epoch, parameter: str, request: Request, here: Here
) -> Response:
    """What a parameter of this attempt names: the file of another job, or a folder or a model's version as a tar."""
    async with here.database.transaction() as session:
        found = await find_input(session, job=job, epoch=epoch, parameter=parameter)
    if found is None:
        raise not_found("input", parameter)
    return await send_input(here, request, *found)


@routes.put(
    "/attempts/{job}/{epoch}/artifacts/" + PATH,
    operation_id="put_attempt_artifact",
    dependencies=[AttemptOnly],
    responses=responses(404, 409, 413, 415, 507),
    openapi_extra=raw_body("The file itself."),
)
async def put_attempt_artifact(
    job: str,
    epoch: Epoch,
    path: str,
    request: Request,
    here: Here,
    digest: Annotated[str | None, Header(alias="X-Content-SHA256", pattern="^[0-9a-f]{64}$")] = None,
) -> Artifact:
    """Store a file that the attempt produced; it is told of when its bytes are safe."""
    checked = clean_path(path)
    room = await _room(here, job, epoch)
    async with receive(request, here.spool, limit=min(room, LARGEST_ARTIFACT)) as upload:
        check_digest(digest, upload.sha256)
        await here.store.put(artifact_key(job, epoch, checked, upload.sha256), upload.path)
        stored = artifacts.Stored(
            path=checked, size=upload.size, sha256=upload.sha256, media_type=media_type_of(request, checked)
        )
        async with here.database.transaction() as session:
            artifact = await artifacts.put_artifact(session, job=job, epoch=epoch, stored=stored)
    if artifact is None:
        raise superseded(job, epoch)
    here.changed(job)
    return artifact


def _gap(gap: ReportGap) -> Refused:
    return invalid([ProblemItem(pointer="/first", code="report_gap", detail=str(gap))], "report_gap")


async def _room(here: Parts, job: str, epoch: int) -> int:
    """How many bytes an attempt may still store.

    Raises:
        Refused: none, or it has stored too many files, or it has ended: what it left does not change.
    """
    async with here.database.transaction() as session:
        now = await standing(session, job)
        stored = [file for file in await artifacts.list_artifacts(session, job) if file.attempt > 0]
    if now is None or now.state is not JobState.running:
        raise superseded(job, epoch)
    room = MOST_BYTES - sum(file.size for file in stored)
    if room <= 0 or len(stored) >= MOST_FILES:
        detail = f"an attempt stores {MOST_FILES} files and {MOST_BYTES >> 30} GiB at most; this one did"
        raise Refused(413, "quota_exceeded", detail)
    return room
