"""What a client does about provenance: manifests and replays, and bundles that carry experiments elsewhere."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from os import PathLike
from pathlib import Path

from tiltyard.client import download as downloading
from tiltyard.client.calls.base import Driven
from tiltyard.client.calls.following import FollowCalls
from tiltyard.client.connection import segment
from tiltyard.comparing import TOLERANCE, Replayed, compare_runs
from tiltyard.wire.bundles import BundleImport
from tiltyard.wire.jobs import Job
from tiltyard.wire.manifests import Manifest

_PIECE = 1 << 20
_LONGEST_ANSWER = 3600.0
"""Seconds a gateway may take to read, check and store a large bundle."""


class ProvenanceCalls(FollowCalls):
    """The calls of an `AsyncClient` that are about provenance."""

    async def manifest(self, job: str | Job) -> Manifest:
        """Everything that determined what a job came to, what it ran in, and what it came to, with digests."""
        return await self._connection.ask(Manifest, "GET", f"jobs/{await self._id(job)}/manifest")

    async def replay(self, job: str | Job, *, idempotency_key: str | None = None) -> Job:
        """Run a job that has ended again: the same archive, parameters, plugin versions and inputs.

        Raises:
            Refused: it has not ended, or something that it needs is not there any more.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return await self._connection.ask(
            Job, "POST", f"jobs/{await self._id(job)}/replay", headers=key, repeatable=True
        )

    async def verify(self, job: str | Job, replay: str | Job, *, tolerance: float = TOLERANCE) -> Replayed:
        """Wait for a replay's end, and say whether it came to what the job came to."""
        ended = await self.wait(replay)
        return compare_runs(await self.manifest(job), await self.manifest(ended), tolerance=tolerance)

    async def export_experiment(
        self, name: str, to: str | PathLike[str] = ".", *, progress: downloading.Progress | None = None
    ) -> Path:
        """Fetch an experiment's ended jobs with everything of them, as a bundle; gives the file's path.

        The gateway gathers all of it before it sends the first byte. `progress` is then told how many came, and of how many.
        """
        address = f"experiments/{segment(name)}/bundle"
        file = f"{name}.tar".replace("\0", "_")
        return await downloading.download(
            self._connection, address, file, Path(to), answer_within=_LONGEST_ANSWER, progress=progress
        )

    async def import_bundle(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        progress: downloading.Progress | None = None,
    ) -> BundleImport:
        """Have a testbed take in a bundle: all of its jobs, or none. Sent again, it is skipped.

        Args:
            path: the bundle.
            name: what its experiment is to be called here, where its own name is taken.
            progress: is told how many bytes were sent, and of how many. When all were, the gateway checks and writes them.

        Raises:
            Refused: it was changed, or does not go with what is here; `errors` names the entries.
        """
        file = Path(path)
        size = (await asyncio.to_thread(file.stat)).st_size

        async def body() -> AsyncIterator[bytes]:
            with await asyncio.to_thread(file.open, "rb") as opened:
                while piece := await asyncio.to_thread(opened.read, _PIECE):
                    yield piece
                    if progress is not None:
                        progress(opened.tell(), size)

        return await self._connection.ask(
            BundleImport,
            "POST",
            "bundles",
            params={"as": name},
            body=body,
            headers={"Content-Length": str(size), "Content-Type": "application/octet-stream"},
            answer_within=_LONGEST_ANSWER,
            repeatable=True,
        )


class DrivenProvenanceCalls(Driven):
    """The calls of a `Client` that are about provenance."""

    _client: ProvenanceCalls

    def manifest(self, job: str | Job) -> Manifest:
        """Everything that determined what a job came to, what it ran in, and what it came to, with digests."""
        return self._portal.run(self._client.manifest(job))

    def replay(self, job: str | Job, *, idempotency_key: str | None = None) -> Job:
        """Run a job that has ended again: the same archive, parameters, plugin versions and inputs."""
        return self._portal.run(self._client.replay(job, idempotency_key=idempotency_key))

    def verify(self, job: str | Job, replay: str | Job, *, tolerance: float = TOLERANCE) -> Replayed:
        """Wait for a replay's end, and say whether it came to what the job came to."""
        return self._portal.run(self._client.verify(job, replay, tolerance=tolerance))

    def export_experiment(
        self, name: str, to: str | PathLike[str] = ".", *, progress: downloading.Progress | None = None
    ) -> Path:
        """Fetch an experiment's ended jobs with everything of them, as a bundle; gives the file's path."""
        return self._portal.run(self._client.export_experiment(name, to, progress=progress))

    def import_bundle(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        progress: downloading.Progress | None = None,
    ) -> BundleImport:
        """Have a testbed take in a bundle: all of its jobs, or none. Sent again, it is skipped."""
        return self._portal.run(self._client.import_bundle(path, name=name, progress=progress))
