"""A process of the yard that may be killed, frozen, stopped and started again, whole."""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.servers import PATIENCE, wait_for


class Part:
    """A process with all that descends from it.

    Args:
        name: what it is called in what is said of it.
        command: what starts it.
        log: where its output goes.
        environment: all of its environment.
        words: what the command lines of its own processes have in common; a worker's job is none of them.
        user: the user it runs as, where that is not ours.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        words: Sequence[str] = (),
        user: int | None = None,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._log = log
        self._environment = dict(environment)
        self._words = words
        self._user = user
        self.more: dict[str, str] = {}
        """What its environment has beside, from its next start on."""
        self._popen: subprocess.Popen[bytes] | None = None
        self._stopped: set[psutil.Process] = set()
        self.orphans: set[psutil.Process] = set()
        """What descended from it when it was killed, and was left to end by itself."""

    def said(self) -> str:
        """All that it has ever put out."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it. It does not wait until it serves."""
        assert self._popen is None or self._popen.poll() is not None, f"{self.name} runs"
        with self._log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._command,
                env=self._environment | self.more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                user=self._user,
                group=self._user,
                extra_groups=None if self._user is None else [],
            )

    @property
    def pid(self) -> int:
        """Its first process, or 0 where it was never started."""
        return self._popen.pid if self._popen is not None else 0

    @property
    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._popen is not None and self._popen.poll() is None

    def tree(self) -> list[psutil.Process]:
        """All its processes, with those of a job that it runs."""
        if self._popen is None or self._popen.poll() is not None:
            return []
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._popen.pid)
            return [root, *root.children(recursive=True)]
        return []

    def own(self) -> list[psutil.Process]:
        """Its processes without a job's."""
        return [process for process in self.tree() if all(word in cmdline(process) for word in self._words)]

    def kill(self) -> None:
        """Kill its own processes with SIGKILL; a job's are left to end by themselves, as they must."""
        targets = self.own()
        assert targets, f"no process of {self.name} to kill"
        self.orphans |= set(self.tree()) - set(targets)
        send(targets, signal.SIGKILL)
        self._await_end(targets)

    def ask(self, number: int) -> None:
        """Send its first process a signal."""
        assert self._popen is not None
        self._popen.send_signal(number)

    def freeze(self) -> None:
        """Stop all its processes, with those of its job, where they stand."""
        while found := set(self.tree()) - self._stopped:
            send(found, signal.SIGSTOP)
            self._stopped |= found

    def thaw(self) -> None:
        """Let them go on."""
        send(self._stopped, signal.SIGCONT)
        self._stopped.clear()

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = PATIENCE) -> int:
        """Ask it to end, wait, and give its exit code."""
        assert self._popen is not None
        self.ask(number)
        return self._popen.wait(seconds)

    def end(self) -> None:
        """Have nothing left of it, however that goes."""
        everything = self.tree()
        send(everything, signal.SIGKILL)
        self._await_end(everything)

    def _await_end(self, targets: Iterable[psutil.Process]) -> None:
        if self._popen is not None and self._popen.pid in {process.pid for process in targets}:
            self._popen.wait(PATIENCE)
        wait_for(lambda: not any(map(lives, targets)))


def cmdline(process: psutil.Process) -> str:
    """A process's command line, as one text."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def processes_of(mark: str) -> list[psutil.Process]:
    """The processes whose command line has this word in it."""
    return [
        process for process in psutil.process_iter() if mark in cmdline(process).replace("'", " ").split()
    ]


def lives(process: psutil.Process) -> bool:
    """Whether a process is there, and not only its exit status."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def send(processes: Iterable[psutil.Process], number: int) -> None:
    """Send each a signal; those that ended meanwhile have what they needed."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
