"""A part of the testbed as a supervised process: started, watched, started again when it dies, stopped when asked."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
STEADY_SECONDS = 30.0
"""A part that ran for this long has recovered: its next failure is its first."""
LARGEST_LOG = 20 << 20

Say = Callable[[str], None]


class NotReady(Exception):
    """A part did not become ready; the message has the end of its log."""


class Guardian:
    """Ends every part should this process be killed.

    Args:
        lock: the data directory's lock; the guardian holds it too, so that the next testbed waits for the end of this one.
    """

    def __init__(self, lock: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("guardian.py"))],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(lock,),
        )

    def tell(self, sign: str, group: int) -> None:
        """Tell of a process group that came (`+`) or went (`-`)."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(f"{sign}{group}\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Let it go; by now it has nothing to end."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._process.wait()


@dataclass(kw_only=True)
class Part:
    """One supervised process.

    `command` and `environment` are what it is started with; the environment is all it gets beside the system's own.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    guardian: Guardian
    say: Say
    ready: Callable[[], Awaitable[bool]]
    stop_signals: Sequence[int] = (signal.SIGTERM,)
    """Sent one after the other to ask it to end."""
    user: int | None = None
    """The user it runs as, where that is not ours."""
    inherit: bool = True
    _process: asyncio.subprocess.Process | None = None
    _keeping: asyncio.Task[None] | None = None
    _stopping: bool = False
    _failures: int = field(default=0)

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def start(self, *, seconds: float) -> None:
        """Start it and wait until it is ready.

        Raises:
            NotReady: it ended, or was not ready in time.
        """
        await self._spawn()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep-{self.name}")
        deadline = asyncio.get_running_loop().time() + seconds
        while not await self._is_ready():
            if self._failures > 1 or self._keeping.done():
                raise NotReady(f"{self.name} ended at its start{self._last_lines()}")
            if asyncio.get_running_loop().time() > deadline:
                raise NotReady(f"{self.name} was not ready within {seconds:g} s{self._last_lines()}")
            await asyncio.sleep(0.05)

    async def stop(self, *, seconds: float) -> None:
        """Ask it to end; after that time, end it."""
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        process = self._process
        if process is None:
            return
        for number in self.stop_signals:
            with suppress(ProcessLookupError):
                process.send_signal(number)
            await asyncio.sleep(0.3 if len(self.stop_signals) > 1 else 0)
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            self._signal_group(process.pid, signal.SIGKILL)
            await process.wait()
        self._signal_group(process.pid, signal.SIGKILL)
        self.guardian.tell("-", process.pid)

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while not self._stopping:
            assert self._process is not None
            began = loop.time()
            code = await self._process.wait()
            # What its group left behind must not stand in the way of the next one.
            self._signal_group(self._process.pid, signal.SIGKILL)
            self.guardian.tell("-", self._process.pid)
            self._failures += 1
            if loop.time() - began > STEADY_SECONDS:
                pause, self._failures = FIRST_PAUSE_SECONDS, 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
            self.say(f"{self.name} ended ({how}); starting it again in {pause:g} s (log: {self.log})")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            await self._spawn()

    async def _spawn(self) -> None:
        system = {
            name: os.environ[name]
            for name in ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")
            if name in os.environ
        }
        owner = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        with self._open_log() as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command,
                env=system | dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **owner,  # type: ignore[arg-type]
            )
        self.guardian.tell("+", self._process.pid)

    def _open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        return self.log.open("ab")

    async def _is_ready(self) -> bool:
        try:
            return await self.ready()
        except Exception:  # noqa: BLE001 - whatever a probe raises, it is not ready
            return False

    def _signal_group(self, group: int, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)

    def _last_lines(self) -> str:
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-12:]
        except OSError:
            lines = []
        shown = "".join(f"\n    {line}" for line in lines)
        return f"; the end of {self.log}:{shown}" if lines else f"; see {self.log}"
