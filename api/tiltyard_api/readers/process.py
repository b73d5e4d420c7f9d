"""One reader and the pipes to it, as the gateway sees them: it is asked one thing at a time, and never trusted with time."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tiltyard_api.readers.messages import Asked
from tiltyard_api.readers.reader import CODE, LENGTH, READY

_IMPORTED_FROM = [str(Path(place).absolute()) for place in sys.path]
_RUN = f"import sys; sys.path[:] = {_IMPORTED_FROM!r}; from tiltyard_api.readers.reader import main; main()"
READER = (sys.executable, "-I", "-c", _RUN)
"""Imports from where the gateway does, which may be where -I alone does not look: a user's own packages, PYTHONPATH."""
KEPT_NAMES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")
"""Of the environment: what an interpreter may need to start. No address and no secret of the gateway's."""
START_SECONDS = 60.0
GRACE_SECONDS = 10.0
"""After which a reader that did not end a reading is ended itself."""
LARGEST_ANSWER = 256 << 20


class NoReader(Exception):
    """No reader can be had."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a reading ended."""

    code: int
    """Of the process that read; a signal's number below 0."""
    said: bytes


class ReaderProcess:
    """A reader that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._to, self._from = process, process.stdin, process.stdout
        self._ready = False
        self.gone = False

    @classmethod
    async def set_up(cls, command: Sequence[str]) -> "ReaderProcess":
        """Start a reader, and do not wait until it is ready. Raises `NoReader`."""
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={name: os.environ[name] for name in KEPT_NAMES if name in os.environ},
                cwd="/",
                start_new_session=True,  # so that all of it can be ended at once
            )
        except OSError as error:
            raise NoReader(f"no process can be started: {error}") from error
        return cls(process)

    async def ask(self, asked: Asked) -> Ended | None:
        """Have an upload read; None where the reader itself went away, or never came. One that is gone is to be cleared."""
        self.gone = True
        if not await self._is_ready():
            return None
        question = asked.model_dump_json().encode()
        try:
            self._to.write(LENGTH.pack(len(question)) + question)
            await self._to.drain()
            async with asyncio.timeout(asked.bounds.seconds + GRACE_SECONDS):
                ended = await self._ended()
        except TimeoutError:
            return Ended(code=-signal.SIGALRM, said=b"")
        except (EOFError, OSError):
            return None
        self.gone = False
        return ended

    async def clear(self) -> None:
        """End the reader, and whatever it reads."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._to.close()
        await self._process.wait()

    async def _is_ready(self) -> bool:
        with suppress(EOFError, OSError):
            async with asyncio.timeout(START_SECONDS):
                self._ready = self._ready or await self._chunk() == READY
        return self._ready

    async def _ended(self) -> Ended:
        said = bytearray()
        while chunk := await self._chunk():
            said += chunk
            if len(said) > LARGEST_ANSWER:
                raise EOFError
        (code,) = CODE.unpack(await self._from.readexactly(CODE.size))
        return Ended(code=code, said=bytes(said))

    async def _chunk(self) -> bytes:
        (length,) = LENGTH.unpack(await self._from.readexactly(LENGTH.size))
        if length > LARGEST_ANSWER:
            raise EOFError
        return await self._from.readexactly(length)
