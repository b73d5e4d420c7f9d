"""Inputs: parameters of type `path` that name what another job left, or a model of the registry.

`artifact:JOB/PATH` is a file or a folder of another job, `model:NAME/VERSION` and `model:NAME@ALIAS` a version in MLflow's
registry. The worker puts it below the entry point's folder, and the command gets that place. The parameter itself keeps
what was asked for, so that a job says of itself where its inputs came from. A job that has not ended yet is waited for; an
alias is what it stood for when the job was submitted.
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
_ARTIFACT = re.compile(
    r"artifact:(?P<job>[A-Za-z0-9_-]{1,200})/(?P<path>[^\0]{1,1024}?)(?P<folder>/?)", re.DOTALL
)
_MODEL = re.compile(
    r"model:(?P<name>[^/:\0]{1,200})(/(?P<version>[1-9][0-9]{0,9})|@(?P<alias>[A-Za-z0-9_-]{1,200}))"
)


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file or a folder that a job needs of another job."""

    parameter: str
    job: str
    path: str
    """Of the artifact, or of the folder."""
    folder: bool = False
    """Whether it was asked for as a folder, by a slash at its end. Without it, a folder is meant where no file is there."""

    @property
    def place(self) -> str:
        """Where the worker puts it, relative to the folder of the MLproject."""
        return f"{FOLDER}/{self.parameter}/{PurePosixPath(self.path).name}"

    @property
    def reference(self) -> str:
        """What it is, however it was written."""
        return f"artifact:{self.job}/{self.path}"


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """A version of a registered model that a job needs."""

    parameter: str
    model: str
    version: str | None = None
    alias: str | None = None
    """Given where the version is not."""

    @property
    def reference(self) -> str:
        """As it was asked for."""
        return f"model:{self.model}/{self.version}" if self.version else f"model:{self.model}@{self.alias}"


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """What a reference to a model stands for."""

    model: str
    version: str
    sha256: str
    """Of its files: see `tiltyard.archive.content`."""
    size: int
    """Bytes of all its files."""
    file: str | None = None
    """The name of the only file of a version that is nothing else; None where it is a folder."""

    @property
    def reference(self) -> str:
        """What it is, whatever an alias comes to mean."""
        return f"model:{self.model}/{self.version}"


AnyInput = Input | ModelInput
Models = Mapping[str, FoundModel | ProblemItem]
"""What each `model:` reference stands for, or what is wrong with it; found before a submission is checked."""


def read_inputs(
    declared: Collection[Parameter], values: Mapping[str, Json]
) -> list[AnyInput] | list[ProblemItem]:
    """Return the inputs among the values of a job, or every problem with what looks like one."""
    found: list[AnyInput] = []
    problems: list[ProblemItem] = []
    for parameter in declared:
        value = values.get(parameter.name)
        if parameter.type is not ParameterType.path or not isinstance(value, str):
            continue
        one = _read(parameter.name, value)
        if isinstance(one, str):
            problems.append(
                ProblemItem(pointer=pointer("parameters", parameter.name), code="bad_input", detail=one)
            )
        elif one is not None:
            found.append(one)
    return problems or found


def _read(parameter: str, value: str) -> AnyInput | str | None:
    """The input that a value names, what is wrong with it, or None where it is a path like any other."""
    if value.startswith("artifact:"):
        match = _ARTIFACT.fullmatch(value)
        if match is None or {"", ".", ".."} & set(match["path"].split("/")):
            return f"{shown(value)} names no artifact: write artifact:JOB/PATH, as `tiltyard artifacts ls JOB` lists it"
        return Input(parameter=parameter, job=match["job"], path=match["path"], folder=bool(match["folder"]))
    if value.startswith("model:"):
        match = _MODEL.fullmatch(value)
        if match is None:
            return f"{shown(value)} names no model: write model:NAME/VERSION or model:NAME@ALIAS"
        return ModelInput(
            parameter=parameter, model=match["name"], version=match["version"], alias=match["alias"]
        )
    return None


def placed(
    values: Mapping[str, Json], inputs: Collection[AnyInput], models: Models | None = None
) -> dict[str, Json]:
    """The values as the command gets them: an input is the place where it is put."""
    return {**values, **{one.parameter: place_of(one, models or {}) for one in inputs}}


def place_of(one: AnyInput, models: Models) -> str:
    """Where the worker puts an input, relative to the folder of the MLproject."""
    if isinstance(one, Input):
        return one.place
    found = models[one.reference]
    assert isinstance(found, FoundModel), "problems were told before"
    return model_place(one.parameter, found.file)


def model_place(parameter: str, file: str | None) -> str:
    """Where the worker puts a model: its folder, or its only file."""
    folder = f"{FOLDER}/{parameter}/model"
    return f"{folder}/{file}" if file else folder


def model_problems(inputs: Collection[AnyInput], models: Models) -> list[ProblemItem]:
    """What is wrong with the models that inputs name."""
    problems = []
    for one in inputs:
        if isinstance(one, ModelInput):
            found = models.get(one.reference) or _not_asked(one)
            if isinstance(found, ProblemItem):
                problems.append(found.model_copy(update={"pointer": pointer("parameters", one.parameter)}))
    return problems


def _not_asked(one: ModelInput) -> ProblemItem:
    return ProblemItem(pointer="", code="unknown_model", detail=f"{one.reference} was not looked for")
