"""Runs the command of an entry point as a job's would be: its socket, its plugins, its hooks, and its end judged alike."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tiltyard_workers.fences.process import Ended
from tiltyard_workers.running_locally.showing import LOCAL, Shown
from tiltyard_workers.supervisor.channel import Channel
from tiltyard_workers.supervisor.environment import NO_EVENTS
from tiltyard_workers.supervisor.output import Output
from tiltyard_workers.supervisor.result import CANCELLED, Result, judge
from tiltyard_workers.supervisor.steps import Steps
from tiltyard_workers.versions import SITE

GRACE_SECONDS = 10.0
LAST_OUTPUT_SECONDS = 10.0
_EVERYTHING = 1 << 62


def run_command(
    command: str, folder: Path, *, plugins: Sequence[Path], prefect_url: str, temporary: Path, shown: Shown
) -> Result:
    """Run a command to its end, and return how it ended; Ctrl-C ends it as a cancelled job is ended.

    Args:
        command: for the shell.
        folder: where it runs.
        plugins: folders that its plugins are in.
        prefect_url: where flows find Prefect's API.
        temporary: for the socket and Prefect's own files.
        shown: what shows its events.
    """
    steps = Steps()

    def tell(kind: str, data: dict[str, Any]) -> None:
        if kind in ("step", "flow"):
            steps.told(kind, data)
        if kind != "flow":
            shown.tell(kind, data)

    socket = temporary / "socket"
    channel = Channel(socket, tell)
    channel.start()
    try:
        with _started(command, folder, _environment(socket, plugins, prefect_url, temporary)) as process:
            outputs = _read(process, shown)
            ended = _to_its_end(process)
            for output in outputs:
                output.finish(LAST_OUTPUT_SECONDS)
    finally:
        channel.close()
        shown.finish()
    return CANCELLED if ended is None else steps.judge(judge(ended))


def _environment(socket: Path, plugins: Sequence[Path], prefect_url: str, temporary: Path) -> dict[str, str]:
    """All that is in this one, and what a job finds in its own."""
    before = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join([*map(str, plugins), str(SITE), *([before] if before else [])]),
        "PYTHONUNBUFFERED": "1",
        "TILTYARD_JOB_ID": LOCAL,
        "TILTYARD_ATTEMPT": "1",
        "TILTYARD_SOCKET": str(socket),
        "PREFECT_API_URL": prefect_url,
        **({} if "PREFECT_API_URL" in os.environ else NO_EVENTS),
        "PREFECT_API_REQUEST_TIMEOUT": "150",  # the first request waits for the server to start
        "PREFECT_HOME": str(temporary / "prefect"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_COLORS": "false",
    }


@contextmanager
def _started(command: str, folder: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is ours to pass on
    )
    try:
        yield process
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _read(process: "subprocess.Popen[bytes]", shown: Shown) -> list[Output]:
    pipes: dict[str, IO[bytes] | None] = {"stdout": process.stdout, "stderr": process.stderr}
    outputs = [
        Output(name, pipe, shown.log, has_room=lambda: True, limit=_EVERYTHING)
        for name, pipe in pipes.items()
        if pipe is not None
    ]
    for output in outputs:
        output.start()
    return outputs


def _to_its_end(process: "subprocess.Popen[bytes]") -> Ended | None:
    """How it ended; None where Ctrl-C ended it."""
    try:
        code = process.wait()
    except KeyboardInterrupt:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE_SECONDS)
        return None
    return Ended(signal=-code) if code < 0 else Ended(exit_code=code)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
