"""What a submission comes to: everything that decides what will run, or every problem with it in one answer."""

import hashlib

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import ExperimentDraft, Job, JobChanges, JobSubmission, ProblemItem
from tiltyard_api.catalogue import Catalogue
from tiltyard_api.problems import invalid
from tiltyard_orchestrator.domain.submission import Accepted, check
from tiltyard_orchestrator.storage.submit import NewJob


async def checked(session: AsyncSession, catalogue: Catalogue, asked: JobSubmission) -> Accepted:
    """Check a submission against what is stored.

    Raises:
        Refused: with everything that is wrong.
    """
    archive = await catalogue.archive(session, asked.archive)
    accepted = check(asked, archive, sorted(await catalogue.queues(session, asked.queue)))
    problems = [*_experiment_problems(asked.experiment), *(accepted if isinstance(accepted, list) else ())]
    if problems or isinstance(accepted, list):
        raise invalid(problems)
    return accepted


def _experiment_problems(name: str) -> list[ProblemItem]:
    # It is made when it is not there, and then it must be one that can be asked for.
    try:
        ExperimentDraft(name=name)
    except ValidationError:
        detail = r"an experiment's name holds none of / \ ? # % and no control characters"
        return [ProblemItem(pointer="/experiment", code="bad_name", detail=detail)]
    return []


def new_job(
    asked: JobSubmission, accepted: Accepted, key: str | None, digest: str, parent: str | None = None
) -> NewJob:
    """The job to write."""
    return NewJob(
        experiment=asked.experiment,
        archive=asked.archive,
        entry_point=accepted.entry_point.name,
        parameters=accepted.values,
        command=accepted.command,
        queue=asked.queue,
        timeout=accepted.timeout,
        max_attempts=asked.max_attempts,
        queue_timeout=accepted.queue_timeout,
        progress_timeout=accepted.progress_timeout,
        retry_on=tuple(dict.fromkeys(asked.retry_on)),
        priority=asked.priority,
        after=asked.after,
        start_at=asked.start_at,
        parent=parent,
        description=asked.description,
        tags=tuple(asked.tags),
        idempotency_key=key,
        request_digest=digest if key else None,
    )


def digest_of(asked: JobSubmission, parent: str | None = None) -> str:
    """What an idempotency key stands for: the request's meaning, however it was written down."""
    return hashlib.sha256(f"{asked.model_dump_json()}{parent or ''}".encode()).hexdigest()


def made_from(parent: Job, changes: JobChanges) -> JobSubmission:
    """The submission of a job like another one. It waits for nothing, and starts at once, unless the changes say else.

    What the parent waited for has come, or never will: its own conditions say nothing about another run.
    """
    kept = parent.model_dump(
        include=set(JobChanges.model_fields) - {"after", "start_at"} | {"archive"}, mode="json"
    )
    given = changes.model_dump(exclude_none=True, exclude={"parameters"}, mode="json")
    parameters = {**parent.parameters, **changes.parameters}
    return JobSubmission.model_validate({**kept, **given, "parameters": parameters})
