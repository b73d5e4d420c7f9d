"""A registered model and its versions, as MLflow's registry has them: this testbed keeps no second registry."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from tiltyard.wire.model import Json, Request, Text, WireModel
from tiltyard.wire.results import Real

LONGEST_NAME = 200
MOST_TAGS = 50


def _registrable(name: str) -> str:
    if not name.strip() or {"/", ":"} & set(name) or name in {".", ".."}:
        msg = "holds no slash and no colon, and is neither empty nor `.` or `..`"
        raise ValueError(msg)
    if not name.isprintable():
        msg = "holds no control characters"
        raise ValueError(msg)
    if {"'", '"'} <= set(name):
        msg = "holds no quotes of both kinds"
        raise ValueError(msg)
    return name


def _free(alias: str) -> str:
    # MLflow would refuse it only when the version is there already.
    if re.fullmatch(r"(?i)latest|v[0-9]+", alias):
        msg = "is MLflow's own: `latest` and `v1`, `v2`, … are no aliases"
        raise ValueError(msg)
    return alias


ModelName = Annotated[Text, Field(min_length=1, max_length=LONGEST_NAME), AfterValidator(_registrable)]
"""What a registered model may be called: slashes and colons would make its URI name something else."""
AliasName = Annotated[Text, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$"), AfterValidator(_free)]
TagName = Annotated[Text, Field(min_length=1, max_length=250, pattern=r"^[/A-Za-z0-9_. :-]+$")]
Tags = Annotated[dict[TagName, Annotated[Text, Field(max_length=5_000)]], Field(max_length=MOST_TAGS)]
TagChanges = Annotated[
    dict[TagName, Annotated[Text, Field(max_length=5_000)] | None], Field(max_length=MOST_TAGS)
]
Description = Annotated[Text, Field(max_length=5_000)]


class Model(WireModel):
    """A registered model."""

    name: str
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    aliases: dict[str, str] = Field(default_factory=dict)
    """The version that each alias stands for."""
    latest: str | None = None
    """The newest version; None while there is none."""
    created_at: datetime
    updated_at: datetime


class ModelVersion(WireModel):
    """One version of a registered model."""

    model: str
    version: str
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)
    aliases: list[str] = Field(default_factory=list)
    source: str
    """Where its files are, in MLflow's words."""
    run_id: str | None = None
    """The run in MLflow that it comes from."""
    job: str | None = None
    """The job that it comes from."""
    path: str | None = None
    """Of the job's artifact that it was registered from."""
    sha256: str | None = None
    """Of its files when it was registered here: see `tiltyard.archive.content`."""
    size: int | None = None
    """Bytes of all its files; told by the version alone, not by a list of versions."""
    files: int | None = None
    flavors: list[str] = Field(default_factory=list)
    """What can load it, by its MLmodel file; told by the version alone, as the signature is."""
    signature: Json = None
    """What it takes and gives: `inputs`, `outputs` and `params`, as its MLmodel file says."""
    metrics: dict[str, Real] = Field(default_factory=dict)
    """Those of the job that it comes from."""
    state: str = "READY"
    created_at: datetime
    updated_at: datetime


class ModelDraft(Request):
    """A model to be made, without a version."""

    name: ModelName
    description: Description = ""
    tags: Tags = Field(default_factory=dict)


class ModelPatch(Request):
    """Changes to a model; what is absent stays."""

    name: ModelName | None = None
    description: Description | None = None
    tags: TagChanges = Field(default_factory=dict)
    """A tag that is null is taken away."""


class VersionDraft(Request):
    """What is to become a version: an artifact of a job."""

    job: Annotated[Text, Field(min_length=1, max_length=200)]
    """The job's id, or the beginning of no other's."""
    path: Annotated[Text, Field(min_length=1, max_length=1024)]
    """A file or a folder of it: what it logged to MLflow as a model goes by the name that it was logged under."""
    description: Description = ""
    tags: Tags = Field(default_factory=dict)
    aliases: Annotated[list[AliasName], Field(max_length=20)] = Field(default_factory=list)


class VersionPatch(Request):
    """Changes to a version; what is absent stays."""

    description: Description | None = None
    tags: TagChanges = Field(default_factory=dict)
    """A tag that is null is taken away."""


class AliasTarget(Request):
    """The version that an alias is to stand for."""

    version: Annotated[Text, Field(pattern=r"^[1-9][0-9]{0,9}$")]
