"""The registry of models, which is MLflow's: what is read of it as the wire has it, and nothing kept here."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tiltyard.wire.model import Page
from tiltyard.wire.models import Model, ModelVersion
from tiltyard_orchestrator.tracking.server import Tracking, TrackingRefused

UNKNOWN = "RESOURCE_DOES_NOT_EXIST"
TAKEN = "RESOURCE_ALREADY_EXISTS"
JOB_TAG, PATH_TAG, DIGEST_TAG, FILE_TAG = "tiltyard.job", "tiltyard.path", "tiltyard.sha256", "tiltyard.file"
"""Of a version: the job and the artifact that it comes from, its digest then, and the name of a version's only file."""

_SHA256 = re.compile("[0-9a-f]{64}")


async def get_model(tracking: Tracking, name: str) -> Model:
    """A registered model. Raises what `Tracking.get` does."""
    answer = await tracking.get("registered-models/get", {"name": name})
    return as_model(answer["registered_model"])


async def search_models(
    tracking: Tracking, *, search: str | None = None, limit: int = 100, token: str | None = None
) -> Page[Model]:
    """A page of models by name, those whose name holds `search`; one may have fewer than there are. Raises what `get` does."""
    asked: dict[str, Any] = {"max_results": limit, "order_by": "name ASC"}
    if search:
        # `_` is any character: its filters hold no more than one kind of quotes.
        asked["filter"] = f"name ILIKE '%{search.replace(chr(39), '_')}%'"
    if token is not None:
        asked["page_token"] = token
    answer = await tracking.get("registered-models/search", asked)
    models = [as_model(one) for one in answer.get("registered_models", [])]
    if search:  # what it takes for a pattern, we take for text
        models = [one for one in models if search.lower() in one.name.lower()]
    return Page(items=models, next=answer.get("next_page_token") or None)


async def search_versions(
    tracking: Tracking, name: str, *, limit: int = 100, token: str | None = None
) -> Page[ModelVersion]:
    """A page of a model's versions, the newest first. Raises what `Tracking.get` does."""
    asked: dict[str, Any] = {
        "filter": f"name={quoted(name)}",
        "max_results": limit,
        "order_by": "version_number DESC",
    }
    if token is not None:
        asked["page_token"] = token
    answer = await tracking.get("model-versions/search", asked)
    versions = [as_version(one) for one in answer.get("model_versions", [])]
    return Page(items=versions, next=answer.get("next_page_token") or None)


async def get_version(tracking: Tracking, name: str, version: str) -> ModelVersion:
    """One version; `@ALIAS` for the one that an alias stands for. Raises what `Tracking.get` does."""
    if version.startswith("@"):
        asked = {"name": name, "alias": version[1:]}
        answer = await tracking.get("registered-models/alias", asked)
    else:
        answer = await tracking.get("model-versions/get", {"name": name, "version": version})
    return as_version(answer["model_version"])


async def set_tags(
    tracking: Tracking, name: str, tags: Mapping[str, str | None], version: str | None = None
) -> None:
    """Set tags of a model or of a version; one that is None is taken away. Raises what `Tracking.get` does."""
    noun = "registered-models" if version is None else "model-versions"
    whose = {"name": name} | ({} if version is None else {"version": version})
    for key, value in tags.items():
        if value is None:
            await tracking.ask("DELETE", f"{noun}/delete-tag", body={**whose, "key": key})
        else:
            await tracking.post(f"{noun}/set-tag", {**whose, "key": key, "value": value})


async def set_alias(tracking: Tracking, name: str, alias: str, version: str) -> None:
    """Let an alias stand for a version. Raises what `Tracking.get` does."""
    await tracking.post("registered-models/alias", {"name": name, "alias": alias, "version": version})


async def ensure_model(tracking: Tracking, name: str) -> None:
    """Make a model where there is none of this name. Raises what `Tracking.get` does."""
    try:
        await tracking.post("registered-models/create", {"name": name})
    except TrackingRefused as refused:
        if refused.code != TAKEN:
            raise


def as_model(said: Mapping[str, Any]) -> Model:
    """A model as the wire has it."""
    latest = [int(one["version"]) for one in said.get("latest_versions", [])]
    return Model(
        name=said["name"],
        description=said.get("description", ""),
        tags=_tags(said),
        aliases={one["alias"]: str(one["version"]) for one in said.get("aliases", [])},
        latest=str(max(latest)) if latest else None,
        created_at=_moment(said["creation_timestamp"]),
        updated_at=_moment(said.get("last_updated_timestamp", said["creation_timestamp"])),
    )


def as_version(said: Mapping[str, Any]) -> ModelVersion:
    """A version as the wire has it, without what its files say."""
    tags = _tags(said)
    return ModelVersion(
        model=said["name"],
        version=str(said["version"]),
        description=said.get("description", ""),
        tags=tags,
        aliases=sorted(said.get("aliases", [])),
        source=said.get("source", ""),
        run_id=said.get("run_id") or None,
        job=tags.get(JOB_TAG),
        path=tags.get(PATH_TAG),
        sha256=_digest(tags.get(DIGEST_TAG, "")),
        state=said.get("status", "READY"),
        created_at=_moment(said["creation_timestamp"]),
        updated_at=_moment(said.get("last_updated_timestamp", said["creation_timestamp"])),
    )


def quoted(text: str) -> str:
    """Text as MLflow's filters take it; they know no escapes."""
    return f'"{text}"' if "'" in text else f"'{text}'"


def _tags(said: Mapping[str, Any]) -> dict[str, str]:
    return {one["key"]: one.get("value", "") for one in said.get("tags", [])}


def _digest(said: str) -> str | None:
    # Anybody may write a tag, and a digest becomes the name of a file.
    return said if _SHA256.fullmatch(said) else None


def _moment(milliseconds: int | str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
