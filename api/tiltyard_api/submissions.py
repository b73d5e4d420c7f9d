"""What a submission comes to: everything that decides what will run, or every problem with it in one answer."""

import hashlib

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import ExperimentDraft, JobSubmission, ProblemItem
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


def new_job(asked: JobSubmission, accepted: Accepted, key: str | None, digest: str) -> NewJob:
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
        description=asked.description,
        tags=tuple(asked.tags),
        idempotency_key=key,
        request_digest=digest if key else None,
    )


def digest_of(asked: JobSubmission) -> str:
    """What an idempotency key stands for: the request's meaning, however it was written down."""
    return hashlib.sha256(asked.model_dump_json().encode()).hexdigest()
