"""Inputs: the files of other jobs that a job names in its parameters, looked for when it is submitted and when it starts."""

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire.archives import EntryPoint, Parameter, ParameterType
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.attempts import InputFile
from tiltyard.wire.jobs import Condition, Dependency, JobState
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.inputs import Input, read_inputs
from tiltyard_orchestrator.domain.parameters import pointer
from tiltyard_orchestrator.storage.artifacts import find_artifact
from tiltyard_orchestrator.storage.tables import JobRow


async def await_inputs(
    session: AsyncSession, inputs: Collection[Input], after: Collection[Dependency]
) -> list[Dependency] | list[ProblemItem]:
    """What a job waits for beside `after`, so that its inputs are there when it starts; or what can never be there."""
    problems: list[ProblemItem] = []
    waits: dict[str, Dependency] = {}
    for one in inputs:
        row = await session.get(JobRow, one.job)
        if row is None:
            problems.append(_problem(one, "unknown_job", f"there is no job {one.job}: write its whole id"))
        elif not JobState(row.state).final:
            waits[one.job] = Dependency(job=one.job, condition=Condition.succeeded)
        elif await find_artifact(session, one.job, one.path) is None:
            detail = f"job {one.job} left no {one.path!r}; `tiltyard artifacts {one.job}` lists what it left"
            problems.append(_problem(one, "unknown_artifact", detail))
    already = {dependency.job for dependency in after}
    return problems or [wait for job, wait in waits.items() if job not in already]


async def find_inputs(
    session: AsyncSession, entry_point: EntryPoint, values: Mapping[str, Json]
) -> list[InputFile]:
    """The inputs of a job that starts, as they are now: what they are made of ended before."""
    files = []
    for one in read_inputs(entry_point.parameters, values):
        assert isinstance(one, Input), "it was read when the job was submitted"
        found = await find_artifact(session, one.job, one.path)
        file = InputFile(parameter=one.parameter, job=one.job, path=one.path, place=one.place)
        if found is not None:
            file = file.model_copy(update={"sha256": found[0].sha256, "size": found[0].size})
        files.append(file)
    return files


async def find_input(
    session: AsyncSession, *, job: str, epoch: int, parameter: str
) -> tuple[Artifact, str] | None:
    """The file that a parameter of a running attempt names, and its key in the store."""
    row = await session.get(JobRow, job)
    if row is None or row.epoch != epoch:
        return None
    value = row.parameters.get(parameter)
    declared = [Parameter(name=parameter, type=ParameterType.path)]
    for one in read_inputs(declared, {parameter: value}):
        if isinstance(one, Input):
            return await find_artifact(session, one.job, one.path)
    return None


def _problem(one: Input, code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer=pointer("parameters", one.parameter), code=code, detail=detail)
