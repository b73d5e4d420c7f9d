"""What a client does with registered models, which are MLflow's: any MLflow client sees the same ones."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path

from tiltyard.client import download as downloading
from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import given, segment
from tiltyard.client.pages import read_pages
from tiltyard.wire.jobs import Job
from tiltyard.wire.models import Model, ModelVersion


class ModelCalls(Calls):
    """The calls of an `AsyncClient` that are about models. A version is its number, or `@` and an alias."""

    def models(self, *, search: str | None = None) -> AsyncIterator[Model]:
        """Every registered model, or those whose name holds `search`."""
        return read_pages(self._connection, Model, "models", {"search": search})

    async def model(self, name: str) -> Model:
        """One model: its aliases, and its newest version."""
        return await self._connection.ask(Model, "GET", _model(name))

    async def create_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> Model:
        """Make a model without a version; registering a version makes its own."""
        body = {"name": name, "description": description, "tags": dict(tags or {})}
        return await self._connection.ask(Model, "POST", "models", json=body)

    async def update_model(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Model:
        """Change a model; what is None stays, and a tag that is None is taken away."""
        body = given({"name": new_name, "description": description, "tags": dict(tags or {})})
        return await self._connection.ask(Model, "PATCH", _model(name), json=body)

    async def delete_model(self, name: str) -> None:
        """Remove a model with all its versions; their files stay with the runs that they come from."""
        await self._connection.send("DELETE", _model(name))

    def model_versions(self, name: str) -> AsyncIterator[ModelVersion]:
        """A model's versions, the newest first."""
        return read_pages(self._connection, ModelVersion, f"{_model(name)}/versions")

    async def model_version(self, name: str, version: str) -> ModelVersion:
        """One version: where it comes from, its signature, its job's metrics."""
        return await self._connection.ask(ModelVersion, "GET", _version(name, version))

    async def register_model(
        self,
        name: str,
        job: str | Job,
        path: str,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
    ) -> ModelVersion:
        """Register an artifact of a job as the model's next version; the model is made when there is none.

        Args:
            name: the model's.
            job: the job.
            path: a file or folder that it left, or the name that it logged a model to MLflow under.
            description: of the version.
            tags: of the version.
            aliases: which stand for it from now on.

        Raises:
            Refused: the job left no such artifact, or the registry cannot have the name.
        """
        body = {
            "job": await self._id(job),
            "path": path,
            "description": description,
            "tags": dict(tags or {}),
            "aliases": list(aliases),
        }
        # Its files may have to be copied first.
        return await self._connection.ask(
            ModelVersion, "POST", f"{_model(name)}/versions", json=body, answer_within=3600.0
        )

    async def update_model_version(
        self,
        name: str,
        version: str,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> ModelVersion:
        """Change a version; what is None stays, and a tag that is None is taken away."""
        body = given({"description": description, "tags": dict(tags or {})})
        return await self._connection.ask(ModelVersion, "PATCH", _version(name, version), json=body)

    async def delete_model_version(self, name: str, version: str) -> None:
        """Remove a version; its files stay."""
        await self._connection.send("DELETE", _version(name, version))

    async def set_model_alias(self, name: str, alias: str, version: str) -> Model:
        """Let an alias stand for a version. Jobs that were submitted before keep the one that they got."""
        address = f"{_model(name)}/aliases/{segment(alias)}"
        return await self._connection.ask(Model, "PUT", address, json={"version": version})

    async def delete_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away; the version stays."""
        await self._connection.send("DELETE", f"{_model(name)}/aliases/{segment(alias)}")

    async def fetch_model(self, name: str, version: str, to: str | PathLike[str]) -> Path:
        """Fetch a version's files into a new folder; gives the folder. Nothing of it lands outside.

        Raises:
            FileExistsError: the folder is there already.
            ArchiveRefused: it holds what no folder here may.
            Damaged: it is not what was registered.
        """
        found, target = await self.model_version(name, version), Path(to)
        if await asyncio.to_thread(target.exists):
            raise FileExistsError(17, "it is there already; name a new folder", str(target))
        # Beside its place, so that it can be moved there whole.
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        beside = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=".model-", dir=target.parent))
        try:
            address = f"{_version(name, found.version)}/content"
            packed = await downloading.download(self._connection, address, "model.tar", beside / "model.tar")
            await asyncio.to_thread(_unpack, packed, beside / "files", found)
            await asyncio.to_thread((beside / "files").replace, target)
        finally:
            await asyncio.to_thread(shutil.rmtree, beside, ignore_errors=True)
        return target


class DrivenModelCalls(Driven):
    """The same for a `Client`."""

    _client: ModelCalls

    def models(self, *, search: str | None = None) -> Iterator[Model]:
        """Every registered model, or those whose name holds `search`."""
        return self._portal.iterate(self._client.models(search=search))

    def model(self, name: str) -> Model:
        """One model: its aliases, and its newest version."""
        return self._portal.run(self._client.model(name))

    def create_model(
        self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
    ) -> Model:
        """Make a model without a version; registering a version makes its own."""
        return self._portal.run(self._client.create_model(name, description=description, tags=tags))

    def update_model(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> Model:
        """Change a model; what is None stays, and a tag that is None is taken away."""
        changed = self._client.update_model(name, new_name=new_name, description=description, tags=tags)
        return self._portal.run(changed)

    def delete_model(self, name: str) -> None:
        """Remove a model with all its versions; their files stay with the runs that they come from."""
        self._portal.run(self._client.delete_model(name))

    def model_versions(self, name: str) -> Iterator[ModelVersion]:
        """A model's versions, the newest first."""
        return self._portal.iterate(self._client.model_versions(name))

    def model_version(self, name: str, version: str) -> ModelVersion:
        """One version: where it comes from, its signature, its job's metrics."""
        return self._portal.run(self._client.model_version(name, version))

    def register_model(
        self,
        name: str,
        job: str | Job,
        path: str,
        *,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        aliases: Sequence[str] = (),
    ) -> ModelVersion:
        """Register an artifact of a job as the model's next version; the model is made when there is none."""
        made = self._client.register_model(
            name, job, path, description=description, tags=tags, aliases=aliases
        )
        return self._portal.run(made)

    def update_model_version(
        self,
        name: str,
        version: str,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
    ) -> ModelVersion:
        """Change a version; what is None stays, and a tag that is None is taken away."""
        changed = self._client.update_model_version(name, version, description=description, tags=tags)
        return self._portal.run(changed)

    def delete_model_version(self, name: str, version: str) -> None:
        """Remove a version; its files stay."""
        self._portal.run(self._client.delete_model_version(name, version))

    def set_model_alias(self, name: str, alias: str, version: str) -> Model:
        """Let an alias stand for a version. Jobs that were submitted before keep the one that they got."""
        return self._portal.run(self._client.set_model_alias(name, alias, version))

    def delete_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away; the version stays."""
        self._portal.run(self._client.delete_model_alias(name, alias))

    def fetch_model(self, name: str, version: str, to: str | PathLike[str]) -> Path:
        """Fetch a version's files into a new folder; gives the folder. Nothing of it lands outside."""
        return self._portal.run(self._client.fetch_model(name, version, to))


def _model(name: str) -> str:
    return f"models/{segment(name)}"


def _version(name: str, version: str) -> str:
    return f"{_model(name)}/versions/{segment(version)}"


def _unpack(packed: Path, into: Path, version: ModelVersion) -> None:
    from tiltyard.archive import unpack  # noqa: PLC0415 - who fetches no model reads no archive
    from tiltyard.archive.content import INPUT_LIMITS, packed_content_digest  # noqa: PLC0415

    if version.sha256 not in {None, packed_content_digest(packed)}:
        raise downloading.Damaged(
            f"model {version.model} version {version.version} is not what was registered: its files were changed since."
        )
    unpack(packed, into, INPUT_LIMITS)
