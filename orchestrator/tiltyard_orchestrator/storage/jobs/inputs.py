"""Inputs: what a job needs of other jobs and of the model registry, looked for when it is submitted and when it starts.

What a model's name stood for is written with the job when it is submitted; what an artifact is, at each claim: a job that
it waited for has ended by then. Nothing here asks MLflow.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.archive.content import content_digest
from tiltyard.wire.archives import EntryPoint
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.inputs import InputFile, InputKind, JobInput
from tiltyard.wire.jobs import Condition, Dependency, JobState
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.inputs import (
    AnyInput,
    FoundModel,
    Input,
    ModelInput,
    Models,
    model_place,
    place_of,
    read_inputs,
)
from tiltyard_orchestrator.domain.parameters import pointer
from tiltyard_orchestrator.storage.jobs.artifacts import find_artifact, list_stored
from tiltyard_orchestrator.storage.tables import ArchiveRow, JobRow

Files = list[tuple[Artifact, str]]
"""Artifacts and their keys in the store."""


async def await_inputs(
    session: AsyncSession, inputs: Collection[AnyInput], after: Collection[Dependency]
) -> list[Dependency] | list[ProblemItem]:
    """What a job waits for beside `after`, so that its inputs are there when it starts; or what can never be there."""
    problems: list[ProblemItem] = []
    waits: dict[str, Dependency] = {}
    for one in inputs:
        if isinstance(one, ModelInput):
            continue
        row = await session.get(JobRow, one.job)
        if row is None:
            problems.append(_problem(one, "unknown_job", f"there is no job {one.job}: write its whole id"))
        elif not JobState(row.state).final:
            waits[one.job] = Dependency(job=one.job, condition=Condition.succeeded)
        elif not await find_files(session, one):
            detail = (
                f"job {one.job} left no {one.path!r}; `tiltyard artifacts ls {one.job}` lists what it left"
            )
            problems.append(_problem(one, "unknown_artifact", detail))
    already = {dependency.job for dependency in after}
    return problems or [wait for job, wait in waits.items() if job not in already]


async def find_files(session: AsyncSession, one: Input) -> Files:
    """The file that an input names, or the files below the folder; none where the job left none."""
    found = None if one.folder else await find_artifact(session, one.job, one.path)
    return [found] if found else await list_stored(session, one.job, under=one.path)


def model_records(inputs: Collection[AnyInput], models: Models) -> list[dict[str, Any]]:
    """What is written of the models that a submission names."""
    return [
        _recorded(of_model(one.parameter, found))
        for one in inputs
        if isinstance(one, ModelInput) and isinstance(found := models.get(one.reference), FoundModel)
    ]


def of_model(parameter: str, found: FoundModel) -> JobInput:
    """A model as a job's input."""
    return JobInput(
        parameter=parameter,
        kind=InputKind.model,
        reference=found.reference,
        model=found.model,
        version=found.version,
        sha256=found.sha256,
        size=found.size,
        folder=found.file is None,
        file=found.file,
    )


async def inputs_now(session: AsyncSession, row: JobRow) -> list[dict[str, Any]]:
    """What to write of a job's inputs when an attempt begins: artifacts as they are, models as they were found before."""
    archive = await session.get_one(ArchiveRow, row.archive)
    declared = next(entry for entry in archive.entry_points if entry["name"] == row.entry_point)
    entry_point = EntryPoint.model_validate(declared)
    models = {record["parameter"]: record for record in row.inputs if record["kind"] == InputKind.model}
    records = []
    for one in read_inputs(entry_point.parameters, row.parameters):
        if isinstance(one, Input):
            records.append(_recorded(await _of_artifact(session, one)))
        elif record := models.get(getattr(one, "parameter", "")):
            records.append(record)
    return records


def given_inputs(records: Sequence[dict[str, Any]]) -> list[InputFile]:
    """The inputs of an attempt, as they were written when it began, and where each is put."""
    return [_placed(JobInput.model_validate(record)) for record in records]


async def find_input(
    session: AsyncSession, *, job: str, epoch: int, parameter: str
) -> tuple[JobInput, Files] | None:
    """What a parameter of a running attempt stands for, and the files of it that are in the store: none of a model."""
    row = await session.get(JobRow, job)
    if row is None or row.epoch != epoch:
        return None
    for record in row.inputs:
        given = JobInput.model_validate(record)
        if given.parameter == parameter and given.sha256 is not None:
            return given, await find_files(session, _asked(given)) if given.job and given.path else []
    return None


async def _of_artifact(session: AsyncSession, one: Input) -> JobInput:
    files = await find_files(session, one)
    folder = one.folder or [artifact.path for artifact, _ in files] != [one.path]
    given = JobInput(parameter=one.parameter, reference=one.reference, job=one.job, path=one.path)
    if not files:
        return given
    inside = {artifact.path.removeprefix(f"{one.path}/"): artifact.sha256 for artifact, _ in files}
    return given.model_copy(
        update={
            "sha256": content_digest(inside) if folder else files[0][0].sha256,
            "size": sum(artifact.size for artifact, _ in files),
            "folder": folder,
        }
    )


def _placed(given: JobInput) -> InputFile:
    is_model = given.kind is InputKind.model
    place = model_place(given.parameter, given.file) if is_model else place_of(_asked(given), {})
    return InputFile(**given.model_dump(), place=place)


def _asked(given: JobInput) -> Input:
    return Input(parameter=given.parameter, job=given.job or "", path=given.path or "", folder=given.folder)


def _recorded(given: JobInput) -> dict[str, Any]:
    return given.model_dump(mode="json", exclude_defaults=True) | {"kind": given.kind.value}


def _problem(one: Input, code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer=pointer("parameters", one.parameter), code=code, detail=detail)
