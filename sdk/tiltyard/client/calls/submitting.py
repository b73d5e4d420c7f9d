"""What a client does to have jobs: the part of `AsyncClient`, and of `Client`, that is about submitting them."""

import re
import uuid
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from tiltyard.client import upload
from tiltyard.client.calls.base import Calls, Driven, name_of
from tiltyard.client.submission import Changes, Choices, Wanted, as_body
from tiltyard.wire.archives import Archive
from tiltyard.wire.jobs import Dependency, Job, Validation

_DIGEST = re.compile("[0-9a-f]{64}")


class SubmitCalls(Calls):
    """The calls of an `AsyncClient` that are about submitting jobs."""

    async def upload(self, path: str | PathLike[str], *, progress: upload.Progress | None = None) -> Archive:
        """Store a folder or an archive file; what the gateway knows already is not sent again.

        Raises:
            ArchiveRefused: the folder holds what an archive may not.
            Refused: the gateway will not have the archive; `code` names the rule.
        """
        return await upload.upload(self._connection, Path(path), progress)

    async def submit(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        idempotency_key: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> Job:
        """Submit a job: a folder, an archive file, or the digest of an archive that was uploaded before.

        `wanted` is `experiment` and, where the default will not do, what `Choices` lists: `entry_point`, `parameters`,
        `queue`, `timeout`, `after`, `priority` and others. Submitting again with the same `idempotency_key` gives the job
        that the first time made.

        Raises:
            Refused: the submission is wrong; `errors` holds everything that is wrong with it.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = await self._body(wanted, archive=await self._stored(archive))
        return await self._connection.ask(Job, "POST", "jobs", json=body, headers=key, repeatable=True)

    async def validate(self, archive: str | PathLike[str] | Archive, **wanted: Unpack[Wanted]) -> Validation:
        """Check a submission, given as to `submit`, and start nothing.

        Raises:
            Refused: the submission is wrong; `errors` holds everything that is wrong with it.
        """
        body = await self._body(wanted, archive=await self._stored(archive))
        return await self._connection.ask(Validation, "POST", "jobs:validate", json=body, repeatable=True)

    async def retry(self, job: str | Job, *, idempotency_key: str | None = None) -> Job:
        """Submit a job that failed or was cancelled once more; the new job names it as its `parent`.

        Raises:
            Refused: it has not ended, it succeeded, or it never ran because of what it waited for.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return await self._connection.ask(
            Job, "POST", f"jobs/{await self._id(job)}/retry", headers=key, repeatable=True
        )

    async def clone(
        self, job: str | Job, *, idempotency_key: str | None = None, **changes: Unpack[Changes]
    ) -> Job:
        """Submit a job like another one but for `changes`; the new job names it as its `parent`.

        It waits for nothing unless `after` or `start_at` is among the changes.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        body = await self._body(changes)
        return await self._connection.ask(
            Job, "POST", f"jobs/{await self._id(job)}/clone", json=body, headers=key, repeatable=True
        )

    async def _body(self, wanted: Choices, **more: str) -> dict[str, Any]:
        after = wanted.get("after")
        if after is None:
            return as_body(wanted, **more)
        named = [one if isinstance(one, Dependency) else Dependency(job=name_of(one)) for one in after]
        whole = [{"job": await self._id(one.job), "condition": one.condition.value} for one in named]
        return {**as_body(wanted, **more), "after": whole}

    async def _stored(self, archive: str | PathLike[str] | Archive) -> str:
        if isinstance(archive, Archive):
            return archive.sha256
        if isinstance(archive, str) and _DIGEST.fullmatch(archive):
            return archive
        return (await self.upload(archive)).sha256


class DrivenSubmitCalls(Driven):
    """The same for a `Client`."""

    _client: SubmitCalls

    def upload(self, path: str | PathLike[str], *, progress: upload.Progress | None = None) -> Archive:
        """Store a folder or an archive file; what the gateway knows already is not sent again."""
        return self._portal.run(self._client.upload(path, progress=progress))

    def submit(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        idempotency_key: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> Job:
        """Submit a job: a folder, an archive file, or the digest of an archive that was uploaded before."""
        return self._portal.run(self._client.submit(archive, idempotency_key=idempotency_key, **wanted))

    def validate(self, archive: str | PathLike[str] | Archive, **wanted: Unpack[Wanted]) -> Validation:
        """Check a submission, given as to `submit`, and start nothing."""
        return self._portal.run(self._client.validate(archive, **wanted))

    def retry(self, job: str | Job, *, idempotency_key: str | None = None) -> Job:
        """Submit a job that failed or was cancelled once more; the new job names it as its `parent`."""
        return self._portal.run(self._client.retry(job, idempotency_key=idempotency_key))

    def clone(self, job: str | Job, *, idempotency_key: str | None = None, **changes: Unpack[Changes]) -> Job:
        """Submit a job like another one but for `changes`; the new job names it as its `parent`."""
        return self._portal.run(self._client.clone(job, idempotency_key=idempotency_key, **changes))
