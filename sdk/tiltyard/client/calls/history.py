"""What a client does with jobs of long ago: the part of `AsyncClient`, and of `Client`, that is about them."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from os import PathLike
from pathlib import Path

from tiltyard.client import download as downloading
from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import segment
from tiltyard.client.pages import read_pages
from tiltyard.client.submission import plain
from tiltyard.wire.history import ExportedJob, Pruned


class HistoryCalls(Calls):
    """The calls of an `AsyncClient` that are about jobs that left the tables."""

    def exported(self) -> AsyncIterator[ExportedJob]:
        """The jobs that ended long ago and left the tables, those first that ended last."""
        return read_pages(self._connection, ExportedJob, "history")

    async def record(self, job: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch an exported job's record, JSON lines packed with gzip, into a file or a folder; gives the file's path."""
        return await downloading.download(
            self._connection, f"history/{segment(job)}/record", f"{job}.jsonl.gz", Path(to)
        )

    async def prune(self, *, older_than: str | float | timedelta, dry_run: bool = False) -> Pruned:
        """Export the jobs that ended longer ago than this, with their events; with `dry_run`, count them."""
        body = {"older_than": plain(older_than), "dry_run": dry_run}
        return await self._connection.ask(Pruned, "POST", "history:prune", json=body, repeatable=True)


class DrivenHistoryCalls(Driven):
    """The same for a `Client`."""

    _client: HistoryCalls

    def exported(self) -> Iterator[ExportedJob]:
        """The jobs that ended long ago and left the tables, those first that ended last."""
        return self._portal.iterate(self._client.exported())

    def record(self, job: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch an exported job's record, JSON lines packed with gzip, into a file or a folder; gives the file's path."""
        return self._portal.run(self._client.record(job, to))

    def prune(self, *, older_than: str | float | timedelta, dry_run: bool = False) -> Pruned:
        """Export the jobs that ended longer ago than this, with their events; with `dry_run`, count them."""
        return self._portal.run(self._client.prune(older_than=older_than, dry_run=dry_run))
