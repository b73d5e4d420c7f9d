"""Inputs: parameters of type `path` that name what another job left, `artifact:JOB/PATH`.

The worker puts the file below the entry point's folder, and the command gets that place. The parameter itself keeps what was
asked for, so that a job says of itself where its inputs came from. A job that has not ended yet is waited for.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from tiltyard.wire.archives import Parameter, ParameterType
from tiltyard.wire.model import Json
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.parameters import pointer, shown

FOLDER = ".tiltyard/inputs"
"""Below the folder of the MLproject: where inputs are put, each in a folder named after its parameter."""
_SCHEME = "artifact:"
_REFERENCE = re.compile(r"artifact:(?P<job>[A-Za-z0-9_-]{1,200})/(?P<path>[^\0]{1,1024})", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that a job needs of another job."""

    parameter: str
    job: str
    path: str
    """Of the artifact."""

    @property
    def place(self) -> str:
        """Where the worker puts it, relative to the folder of the MLproject."""
        return f"{FOLDER}/{self.parameter}/{PurePosixPath(self.path).name}"


def read_inputs(
    declared: Collection[Parameter], values: Mapping[str, Json]
) -> list[Input] | list[ProblemItem]:
    """Return the inputs among the values of a job, or every problem with what looks like one."""
    found: list[Input] = []
    problems: list[ProblemItem] = []
    for parameter in declared:
        value = values.get(parameter.name)
        if parameter.type is not ParameterType.path or not isinstance(value, str):
            continue
        if not value.startswith(_SCHEME):
            continue
        match = _REFERENCE.fullmatch(value)
        if match is None or {"", ".", ".."} & set(match["path"].split("/")):
            detail = f"{shown(value)} names no artifact: write artifact:JOB/PATH, as `tiltyard artifacts JOB` lists it"
            problems.append(
                ProblemItem(pointer=pointer("parameters", parameter.name), code="bad_input", detail=detail)
            )
        else:
            found.append(Input(parameter=parameter.name, job=match["job"], path=match["path"]))
    return problems or found


def placed(values: Mapping[str, Json], inputs: Collection[Input]) -> dict[str, Json]:
    """The values as the command gets them: an input is the place where it is put."""
    return {**values, **{one.parameter: one.place for one in inputs}}
