"""What a submission comes to: everything that decides what will run, or every problem with it in one answer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Dependency, ExperimentDraft, Job, JobChanges, JobSubmission, PluginPin, ProblemItem
from tiltyard.wire.experiments import NAME_RULE
from tiltyard_api.http.problems import invalid
from tiltyard_api.jobs.pinning import Pinned, pinned
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.inputs import Models
from tiltyard_orchestrator.domain.submission import Accepted, check
from tiltyard_orchestrator.domain.sweep.digest import cell_digest, references
from tiltyard_orchestrator.storage.jobs.inputs import await_inputs, model_records
from tiltyard_orchestrator.storage.jobs.submit import NewJob


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A submission that will be written."""

    accepted: Accepted
    after: list[Dependency] = field(default_factory=list)
    """What it waits for: what was asked, and the jobs whose files it needs."""
    pins: list[PluginPin] = field(default_factory=list)
    """Held until the transaction's end."""
    warnings: list[str] = field(default_factory=list)


async def checked(
    session: AsyncSession,
    here: Parts,
    asked: JobSubmission,
    *,
    models: Models,
    keeping: Sequence[PluginPin] | None = None,
) -> Checked:
    """Check a submission against what is stored.

    Args:
        session: the transaction; the versions that the job gets are held in it.
        here: the gateway.
        asked: the submission.
        models: what its `model:` references stand for, found before the transaction began (`models_of`).
        keeping: the very versions that the job is to have, whatever it names.

    Raises:
        Refused: with everything that is wrong.
    """
    archive = await here.catalogue.archive(session, asked.archive)
    accepted = check(asked, archive, sorted(await here.catalogue.queues(session, asked.queue)), models)
    problems = [*_experiment_problems(asked.experiment), *(accepted if isinstance(accepted, list) else ())]
    pins: Pinned | list[ProblemItem] = Pinned()
    if archive is not None:
        pins = await pinned(session, here, asked, archive, keeping=keeping)
    problems += pins if isinstance(pins, list) else ()
    after: list[Dependency] = []
    if isinstance(accepted, Accepted):
        for one in await await_inputs(session, accepted.inputs, asked.after):
            if isinstance(one, ProblemItem):
                problems.append(one)
            else:
                after.append(one)
    if problems or isinstance(accepted, list) or isinstance(pins, list):
        raise invalid(problems)
    return Checked(accepted=accepted, after=[*asked.after, *after], pins=pins.pins, warnings=pins.warnings)


def _experiment_problems(name: str) -> list[ProblemItem]:
    # It is made when it is not there, and then it must be one that can be asked for.
    try:
        ExperimentDraft(name=name)
    except ValidationError:
        return [ProblemItem(pointer="/experiment", code="bad_name", detail=NAME_RULE)]
    return []


def new_job(
    asked: JobSubmission, found: Checked, key: str | None, digest: str, parent: str | None = None
) -> NewJob:
    """The job to write."""
    accepted = found.accepted
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
        after=found.after,
        start_at=asked.start_at,
        plugins=found.pins,
        inputs=model_records(accepted.inputs, accepted.models),
        parent=parent,
        description=asked.description,
        tags=tuple(asked.tags),
        idempotency_key=key,
        request_digest=digest if key else None,
        digest=cell_digest(
            archive=asked.archive,
            entry_point=accepted.entry_point.name,
            parameters=accepted.values,
            inputs=references(accepted.inputs, accepted.models),
            plugins=found.pins,
        ),
    )


def digest_of(asked: JobSubmission, parent: str | None = None) -> str:
    """What an idempotency key stands for: the request's meaning, however it was written down."""
    return hashlib.sha256(f"{asked.model_dump_json()}{parent or ''}".encode()).hexdigest()


def made_from(parent: Job, changes: JobChanges) -> JobSubmission:
    """The submission of a job like another one. It waits for nothing, and starts at once, unless the changes say else.

    What the parent waited for has come, or never will: its own conditions say nothing about another run. Its plugins are
    named, and not their versions: what is current now is taken, unless the changes name another.
    """
    kept = parent.model_dump(
        include=set(JobChanges.model_fields) - {"after", "start_at", "plugins"} | {"archive"}, mode="json"
    )
    given = changes.model_dump(
        exclude_none=True, exclude={"parameters", "plugins", "same_plugins"}, mode="json"
    )
    parameters = {**parent.parameters, **changes.parameters}
    said = changes.plugins or []
    named = {one.partition("==")[0].strip() for one in said}
    plugins = [*said, *(pin.name for pin in parent.plugins if pin.name not in named)]
    return JobSubmission.model_validate({**kept, **given, "parameters": parameters, "plugins": plugins})
