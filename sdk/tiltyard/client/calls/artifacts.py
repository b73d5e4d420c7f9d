"""What a client does with a job's files beyond one by one: whole folders, links, and files that it adds."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from difflib import get_close_matches
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Literal

from tiltyard.archive.plain_names import plain_paths
from tiltyard.client import download as downloading
from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import segment
from tiltyard.client.errors import TiltyardError
from tiltyard.client.pages import read_pages
from tiltyard.wire.artifacts import Artifact, ArtifactLink
from tiltyard.wire.jobs import Job

_PIECE = 1 << 20
_LONGEST_ANSWER = 3600.0
"""Seconds a gateway may take to receive and keep the largest file."""


class NothingThere(TiltyardError):
    """The job left no file that was asked for."""


class OutsideFolder(TiltyardError):
    """A file would be written outside the folder that was named: a link in that folder leads away."""


class ArtifactCalls(Calls):
    """The calls of an `AsyncClient` that are about artifacts."""

    async def artifacts(self, job: str | Job) -> list[Artifact]:
        """The files that a job has left so far."""
        path = f"jobs/{await self._id(job)}/artifacts"
        return [artifact async for artifact in read_pages(self._connection, Artifact, path)]

    async def download(self, job: str | Job, path: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch one artifact into a file, or into a folder under its own name; gives the file's path.

        Raises:
            NotFound: the job has left no such file.
            Damaged: what arrived is not what was stored.
        """
        return await downloading.download(
            self._connection, _address(await self._id(job), path), path, Path(to)
        )

    async def fetch_artifacts(
        self, job: str | Job, to: str | PathLike[str], *, under: str = ""
    ) -> dict[str, Path]:
        """Fetch all files of a job, or those below a folder of it, into a folder; gives where each is.

        Every file stays in that folder, whatever its name: what some file system would not take, or take for another, is
        written in another way (`tiltyard.archive.plain_names`).

        Raises:
            NothingThere: there are none.
            OutsideFolder: a link in the folder leads away from it.
            Damaged: what arrived is not what was stored.
        """
        name, root = await self._id(job), await asyncio.to_thread(Path(to).resolve)
        above = f"{under.strip('/')}/" if under.strip("/") else ""
        there = [item.path for item in await self.artifacts(name)]
        found = [path for path in there if path.startswith(above)]
        if not found:
            raise NothingThere(_nothing_there(name, under, there))
        plain = plain_paths(path.removeprefix(above) for path in found)
        saved: dict[str, Path] = {}
        for path in found:
            target = await asyncio.to_thread((root / plain[path.removeprefix(above)]).resolve)
            if not target.is_relative_to(root):
                raise OutsideFolder(f"{path} would be written outside {to}: a link there leads away.")
            saved[path] = await downloading.download(self._connection, _address(name, path), path, target)
        return saved

    async def pack_artifacts(
        self,
        job: str | Job,
        to: str | PathLike[str],
        *,
        under: str = "",
        packing: Literal["tar", "zip"] = "tar",
    ) -> Path:
        """Fetch the same as one tar or zip, into a file or a folder; gives the file's path."""
        name = await self._id(job)
        file = f"{PurePosixPath(under).name or name}.{packing}"
        address = f"jobs/{name}/artifacts.{packing}"
        return await downloading.download(self._connection, address, file, Path(to), {"under": under or None})

    async def add_artifact(
        self, job: str | Job, source: str | PathLike[str], path: str | None = None
    ) -> Artifact:
        """Add a file to a job that runs or has ended, under a path of the job, or its own name.

        The same file again is one; another file is never replaced.

        Raises:
            Refused: another file is there (`artifact_exists`), or there is no room (`quota_exceeded`, `too_large`).
        """
        file = Path(source)
        digest, size = await asyncio.to_thread(_measure, file)

        return await self._connection.ask(
            Artifact,
            "PUT",
            _address(await self._id(job), path or file.name),
            body=lambda: _pieces(file),
            headers={"Content-Length": str(size), "X-Content-SHA256": digest},
            answer_within=_LONGEST_ANSWER,
        )

    async def link_artifact(self, job: str | Job, path: str, *, seconds: int = 600) -> ArtifactLink:
        """Make an address where anybody who has it can fetch one file, for an hour at most."""
        body = {"path": path, "seconds": seconds}
        address = f"jobs/{await self._id(job)}/artifacts:link"
        return await self._connection.ask(ArtifactLink, "POST", address, json=body, repeatable=True)


class DrivenArtifactCalls(Driven):
    """The same for a `Client`."""

    _client: ArtifactCalls

    def artifacts(self, job: str | Job) -> list[Artifact]:
        """The files that a job has left so far."""
        return self._portal.run(self._client.artifacts(job))

    def download(self, job: str | Job, path: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch one artifact into a file, or into a folder under its own name; gives the file's path."""
        return self._portal.run(self._client.download(job, path, to))

    def fetch_artifacts(self, job: str | Job, to: str | PathLike[str], *, under: str = "") -> dict[str, Path]:
        """Fetch all files of a job, or those below a folder of it, into a folder; gives where each is."""
        return self._portal.run(self._client.fetch_artifacts(job, to, under=under))

    def pack_artifacts(
        self,
        job: str | Job,
        to: str | PathLike[str],
        *,
        under: str = "",
        packing: Literal["tar", "zip"] = "tar",
    ) -> Path:
        """Fetch the same as one tar or zip, into a file or a folder; gives the file's path."""
        return self._portal.run(self._client.pack_artifacts(job, to, under=under, packing=packing))

    def add_artifact(self, job: str | Job, source: str | PathLike[str], path: str | None = None) -> Artifact:
        """Add a file to a job that runs or has ended, under a path of the job, or its own name."""
        return self._portal.run(self._client.add_artifact(job, source, path))

    def link_artifact(self, job: str | Job, path: str, *, seconds: int = 600) -> ArtifactLink:
        """Make an address where anybody who has it can fetch one file, for an hour at most."""
        return self._portal.run(self._client.link_artifact(job, path, seconds=seconds))


def _nothing_there(job: str, path: str, there: list[str]) -> str:
    if not there:
        return f"job {job} has no files."
    close = get_close_matches(path, there, n=1, cutoff=0.5)
    meant = f"did you mean {close[0]}?" if close else f"`tiltyard artifacts ls {job[:8]}` lists what it left."
    return f"job {job} left no file {path} and no folder of that name: {meant}"


def _address(job: str, path: str) -> str:
    return f"jobs/{job}/artifacts/{'/'.join(map(segment, path.split('/')))}"


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(file.open, "rb") as content:
        while piece := await asyncio.to_thread(content.read, _PIECE):
            yield piece


def _measure(file: Path) -> tuple[str, int]:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        return digest, content.tell()
