"""Pending, explained: the sentence on a job that has not started, and the whole answer to "why?"."""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import AttemptStory, Explanation, Job, JobState, Pending
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.storage.jobs.pending import as_sentence, of_queue, pending_of, queue_standings
from tiltyard_orchestrator.storage.jobs.stories import read_stories


async def with_brief_reason(session: AsyncSession, here: Parts, job: Job) -> Job:
    """The job, with what keeps it from starting where that is more than its turn; made without asking much."""
    if job.state not in {JobState.waiting, JobState.queued}:
        return job
    queues = await here.catalogue.standings(session, lost_after=here.settings.worker_lost_after)
    said = [one.detail for one in of_queue(job.queue, queues)]
    if job.held:
        said.insert(0, f"its sweep {(job.sweep or '')[:8]} holds it back")
    if job.state is JobState.waiting and job.after:
        said.insert(0, f"it waits for {len(job.after)} job{'s' * (len(job.after) > 1)} to end")
    if job.state is JobState.waiting and job.start_at is not None:
        said.insert(0, f"it is not to start before {job.start_at:%Y-%m-%d %H:%M:%S} UTC")
    return job.model_copy(update={"pending_reason": "; ".join(said) or None})


async def with_reason(session: AsyncSession, here: Parts, job: Job) -> Job:
    """The job, with all that it waits for."""
    return job.model_copy(update={"pending_reason": as_sentence(await pending(session, here, job))})


async def pending(session: AsyncSession, here: Parts, job: Job) -> list[Pending]:
    """All that a job waits for."""
    if job.state not in {JobState.waiting, JobState.queued}:
        return []
    queues = await queue_standings(session, lost_after=here.settings.worker_lost_after)
    return await pending_of(session, job, queues, now=datetime.now(UTC))


async def explain(session: AsyncSession, here: Parts, job: Job) -> Explanation:
    """Why a job is where it is."""
    waits = await pending(session, here, job)
    stories = await read_stories(session, job.id)
    return Explanation(
        job=job.id, state=job.state, summary=_summary(job, waits, stories), pending=waits, attempts=stories
    )


def _summary(job: Job, waits: list[Pending], stories: list[AttemptStory]) -> str:
    if sentence := as_sentence(waits):
        return f"It is {job.state.value}: {sentence}."
    if job.state is JobState.running:
        worker = stories[-1].worker if stories else None
        asked = ", and is asked to end" if job.cancel_requested else ""
        return (
            f"It runs on {worker or 'a worker'}, attempt {job.attempt} of at most {job.max_attempts}{asked}."
        )
    if not job.state.final:
        return f"It is {job.state.value}."
    said = job.message or {JobState.succeeded: "Its entry point exited with code 0."}.get(job.state, "")
    again = f" It took {len(stories)} attempts." if len(stories) > 1 else ""
    unstarted = " It never started." if not stories else ""
    return f"It {'has ' if job.state is JobState.failed else ''}{job.state.value}. {said}{again}{unstarted}".replace(
        "It cancelled", "It was cancelled"
    )
