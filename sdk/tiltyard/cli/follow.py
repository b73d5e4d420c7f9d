"""Being at a job's side until it ends: its log as it comes, how it ended, and what to do when the user walks away."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from tiltyard.cli import exits
from tiltyard.cli.show import lasted, on_terminal, safe, write
from tiltyard.client import Client
from tiltyard.wire.events import End, Event, EventKind
from tiltyard.wire.jobs import Job, JobState, Reason


@contextmanager
def walking_away(job: str, command: str, *, what: str = "Job", end: str = "cancel") -> Iterator[None]:
    """Ctrl-C ends the following and not the job, or the sweep; say so, and how to come back.

    It ends this process where it stands. As an exception it could come in the middle of whatever the connection's thread and
    this one do to each other, and leave both waiting.
    """
    said = f"\n{what} {job} goes on. Come back with `tiltyard {command}`; end it with `tiltyard {end} {job[:8]}`.\n"

    def leave(_number: int, _frame: FrameType | None) -> None:
        os.write(2, said.encode())
        os._exit(exits.INTERRUPTED)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def print_log(client: Client, job: Job, *, stream: str | None = None, split: bool = False) -> Job:
    """Print a job's log from its beginning to its end; gives the job as it ended."""
    printer = LogPrinter(stream=stream, split=split)
    for frame in client.follow(job):
        if isinstance(frame, End):
            break
        if frame.kind is EventKind.log:
            printer.print(frame)
        elif frame.kind is EventKind.state and on_terminal(err=True):
            _tell(frame, job)
    printer.finish()
    return client.job(job)


class LogPrinter:
    """Writes log events as the job wrote them."""

    def __init__(self, *, stream: str | None, split: bool) -> None:
        self._stream = stream
        self._split = split
        self._in_line = False

    def print(self, event: Event) -> None:
        """Write an event's text to standard output, or, split, the job's standard error to ours."""
        came_from = event.data.get("stream")
        if self._stream not in {None, came_from}:
            return
        text = log_text(event)
        write(text, err=self._split and came_from == "stderr")
        self._in_line = bool(text) and not text.endswith("\n")

    def finish(self) -> None:
        """Leave a terminal's cursor at the start of a line."""
        if self._in_line and on_terminal():
            write("\n")


def log_text(event: Event) -> str:
    """What a log event adds to the log; the same as in the gateway's plain text of it."""
    dropped = event.data.get("dropped")
    mark = f"\n[{dropped} bytes left out here]\n" if dropped else ""
    return mark + str(event.data.get("text", ""))


def how_it_ended(job: Job) -> str:
    """A final job in one line."""
    took = ""
    if job.started_at and job.finished_at:
        took = f" after {lasted((job.finished_at - job.started_at).total_seconds())}"
    why = f": {safe(job.message)}" if job.message and job.state is not JobState.succeeded else ""
    return f"Job {job.id} {job.state.value}{took}{why}"


def exit_code(job: Job) -> int:
    """The exit code that tells how a job ended."""
    match job.state, job.reason:
        case JobState.succeeded, _:
            return exits.OK
        case JobState.cancelled, _:
            return exits.CANCELLED
        case _, Reason.timed_out:
            return exits.TIMED_OUT
        case _, Reason.worker_lost:
            return exits.LOST
        case _:
            return exits.FAILED


def _tell(event: Event, job: Job) -> None:
    match event.data.get("state"):
        case "queued" if event.seq == 0:
            typer.echo(f"Waiting for a worker of the queue {job.queue} ...", err=True)
        case "queued":
            typer.echo(
                f"Queued again ({event.data.get('reason') or 'its worker gave it back'}) ...", err=True
            )
        case "running":
            attempt = f"Attempt {event.attempt} runs" if event.attempt > 1 else "Running"
            typer.echo(safe(f"{attempt} on {event.data.get('worker') or 'a worker'} ..."), err=True)
        case _:
            pass
