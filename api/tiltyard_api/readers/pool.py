"""The gateway's side of reading: two readers at most, kept warm, each replaced when it dies; the rest wait their turn.

An upload that ends its reader, or takes more than it may, is refused with that reason, and costs nobody else anything.
"""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import ValidationError

from tiltyard.archive.project import read_document
from tiltyard.wire import Archive, ProblemItem
from tiltyard_api.http.problems import RETRY, Refused, invalid
from tiltyard_api.readers.messages import (
    ANSWER,
    Answer,
    ArchiveUpload,
    Asked,
    Bounds,
    PluginUpload,
    ReadArchive,
    ReadDraft,
    ReadPlugin,
    Wrong,
)
from tiltyard_api.readers.process import READER, Ended, NoReader, ReaderProcess
from tiltyard_api.readers.reader import OUT_OF_MEMORY
from tiltyard_orchestrator.domain.entry_point import Draft, read_draft

log = structlog.get_logger(__name__)

ARCHIVES = Bounds(seconds=300, mebibytes=1024)
"""For 512 MiB that unpack to 2 GiB: bzip2 takes minutes for them."""
PLUGINS = Bounds(seconds=60, mebibytes=1024)
MOST_AT_ONCE = 2
MOST_WAITING = 64
LOGGED = 4_000
"""Characters of what a reader said when it failed."""


@dataclass(kw_only=True)
class ReaderPool:
    """Has uploads read, each within the bounds of its kind."""

    archives: Bounds = ARCHIVES
    plugins: Bounds = PLUGINS
    command: Sequence[str] = READER
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_AT_ONCE))
    _idle: list[ReaderProcess] = field(default_factory=list)
    _waiting: int = 0

    async def open(self) -> None:
        """Start a reader, so that the first upload finds it warm; the other one starts when it is needed."""
        with suppress(NoReader):  # who uploads is told
            self._idle.append(await ReaderProcess.set_up(self.command))

    async def close(self) -> None:
        """End the readers."""
        while self._idle:
            await self._idle.pop().clear()

    async def archive(self, path: Path, *, size: int, sha256: str) -> Archive | Draft:
        """Read an archive; one whose form is wrong is a draft, which is to be checked further.

        Raises:
            Refused: it breaks a rule, its MLproject is missing, doubled or no YAML, or it could not be read.
        """
        upload = ArchiveUpload(path=path, size=size, sha256=sha256)
        answer = await self._read("the archive", Asked(upload=upload, bounds=self.archives))
        if isinstance(answer, ReadArchive):
            return answer.archive.model_copy(update={"size": size, "sha256": sha256})
        if isinstance(answer, ReadDraft):
            # A reader came to the end of these very texts: they hold nothing that harms whoever reads them.
            return await asyncio.to_thread(lambda: read_draft(read_document(answer.document), answer.texts))
        raise _unread("the archive", _NONSENSE)

    async def plugin(
        self, path: Path, *, name: str | None, version: str | None, libraries: Sequence[str]
    ) -> ReadPlugin:
        """Read a plugin.

        Raises:
            Refused: with everything that is wrong with it; or it could not be read.
        """
        upload = PluginUpload(path=path, name=name, version=version, libraries=list(libraries))
        answer = await self._read("the plugin", Asked(upload=upload, bounds=self.plugins))
        if isinstance(answer, ReadPlugin):
            return answer
        raise _unread("the plugin", _NONSENSE)

    async def _read(self, what: str, asked: Asked) -> ReadArchive | ReadDraft | ReadPlugin:
        if self._waiting >= MOST_WAITING:
            detail = "too many uploads wait to be read; try again soon"
            raise Refused(503, "busy_reading", detail, headers=RETRY)
        self._waiting += 1
        try:
            async with self._turns:
                ended = await self._by_a_reader(asked)
        except NoReader as error:
            log.warning("no_reader", error=str(error))
            detail = "the gateway cannot start a reader for uploads now; try again soon"
            raise Refused(503, "reader_unavailable", detail, headers=RETRY) from error
        finally:
            self._waiting -= 1
        if ended.code != 0:
            why = _why(ended.code, asked.bounds)
            log.warning("upload_not_read", why=why, said=ended.said[-LOGGED:].decode(errors="replace"))
            raise _unread(what, why)
        answer = await asyncio.to_thread(_answer, ended.said)
        if answer is None:
            raise _unread(what, _NONSENSE)
        if isinstance(answer, Wrong):
            raise invalid(answer.problems, answer.code)
        return answer

    async def _by_a_reader(self, asked: Asked) -> Ended:
        while self._idle:
            ended = await self._at(self._idle.pop(), asked)
            if ended is not None:  # else it may have died since it was last used, by no fault of this upload
                return ended
        ended = await self._at(await ReaderProcess.set_up(self.command), asked)
        if ended is None:
            raise NoReader("it went away when it was new")
        return ended

    async def _at(self, reader: ReaderProcess, asked: Asked) -> Ended | None:
        try:
            ended = await reader.ask(asked)
        except BaseException:
            await reader.clear()
            raise
        if reader.gone:
            await reader.clear()
        else:
            self._idle.append(reader)
        return ended


_NONSENSE = "its reader gave no answer that can be understood"


def _why(code: int, bounds: Bounds) -> str:
    if code == -signal.SIGALRM:
        return f"reading it took more than {bounds.seconds:g} s"
    if code == OUT_OF_MEMORY:
        return f"reading it took more memory than {bounds.mebibytes} MiB"
    if code < 0:
        return f"it ended its reader (signal {-code})"
    return "its reader failed; the gateway's log says how"


def _unread(what: str, why: str) -> Refused:
    item = ProblemItem(pointer="", code="unreadable", detail=f"{what} could not be read: {why}")
    return invalid([item], "unreadable")


def _answer(said: bytes) -> Answer | None:
    line, _, packed = said.partition(b"\n")
    try:
        answer = ANSWER.validate_json(line)
    except ValidationError:
        return None
    return answer.model_copy(update={"packed": packed}) if isinstance(answer, ReadPlugin) else answer
