"""A job's process behind its fence, as the supervisor holds it."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from tiltyard_workers.allowance import Allowance
from tiltyard_workers.fences.fence import Fence
from tiltyard_workers.fences.view import View

_WARDENS_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""Nothing of the worker's: a job may find a way to read it."""


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A limit that a job passed."""

    limit: Literal["processes", "scratch"]
    found: int | None
    """How many, or how many bytes, there were; None: that could not be found."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a job's main process ended: one of the two, or neither when it was taken down."""

    exit_code: int | None = None
    signal: int | None = None
    passed: Passed | None = None
    """What it was taken down for, if it was that."""
    shm_full: bool = False
    """Whether its own /dev/shm was full when it ended."""
    shm_was_full: bool = False
    """Whether that was seen full at any time."""


class FencedProcess:
    """A running job. When this object's process dies, however it dies, the job dies with it.

    Args:
        fence: the kind of fence.
        command: the shell command.
        environment: everything the job finds in its environment.
        visible: the job's own folders, the only ones of the worker's that it sees.
        work: the folder where the command runs.
        hidden: folders and files that it must not see.
        allowed: what it may use.
        temporary: the folder of its own that it finds as /tmp.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        fence: Fence,
        command: str,
        *,
        environment: Mapping[str, str],
        visible: Sequence[Path],
        work: Path,
        hidden: Sequence[Path],
        allowed: Allowance,
        temporary: Path | None = None,
    ) -> None:
        view = View(own=visible, temporary=temporary, hidden=hidden, shm_bytes=allowed.shm_bytes)
        life_read, self._life = os.pipe()
        self._told, told_write = os.pipe()
        specification = {
            "life": life_read,
            "told": told_write,
            "command": command,
            "environment": dict(environment),
            "folder": str(work),
            "places": [str(place) for place in visible],
            "allowed": {
                "processes": allowed.processes,
                "scratch": allowed.scratch_bytes,
                "file": allowed.file_bytes,
            },
        }
        try:
            self._process = _started(fence, view, specification, (life_read, told_write))
        except OSError:
            os.close(self._life)
            os.close(self._told)
            raise
        finally:
            os.close(life_read)
            os.close(told_write)

    @property
    def outputs(self) -> dict[str, IO[bytes]]:
        """Both output pipes, by name."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        return {"stdout": self._process.stdout, "stderr": self._process.stderr}

    def ask_to_end(self) -> None:
        """Send the job's process group a SIGTERM."""
        with suppress(OSError):
            os.write(self._life, b"T")

    def end(self) -> None:
        """End everything of the job at once."""
        life, self._life = self._life, -1
        if life >= 0:
            os.close(life)
            # Without a namespace, the job may have stopped its warden.
            self._process.send_signal(signal.SIGCONT)

    def wait(self) -> Ended:
        """Wait until nothing is left of the job."""
        self._process.wait()
        self.end()
        with os.fdopen(self._told, "rb") as told:
            said = told.read()
        try:
            status = json.loads(said)
        except ValueError:
            return Ended()
        passed = Passed(**status["passed"]) if status["passed"] else None
        return Ended(
            exit_code=status.get("exit"),
            signal=status.get("signal"),
            passed=passed,
            shm_full=status["shm_full"],
            shm_was_full=status["shm_was_full"],
        )


def _started(
    fence: Fence, view: View, specification: dict[str, Any], pipes: tuple[int, int]
) -> "subprocess.Popen[bytes]":
    command, more = fence.command(view)
    # Not as an argument: those are short, and everybody on the host can read them.
    with tempfile.TemporaryFile() as script:
        script.write(json.dumps(specification | more).encode())
        script.seek(0)
        return subprocess.Popen(
            command,
            stdin=script,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_WARDENS_ENVIRONMENT,
            pass_fds=pipes,
            start_new_session=True,
        )
