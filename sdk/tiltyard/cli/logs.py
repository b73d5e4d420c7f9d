"""`tiltyard logs`: what a job printed."""

from enum import StrEnum
from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.follow import LogPrinter, how_it_ended, print_log, walking_away
from tiltyard.cli.options import AsJson, Follow, JobId
from tiltyard.cli.show import print_json, write
from tiltyard.client import Client
from tiltyard.wire.events import Event, EventKind
from tiltyard.wire.jobs import Job


class Stream(StrEnum):
    """One of the two outputs of a job."""

    stdout = "stdout"
    stderr = "stderr"


def logs(
    job: JobId,
    follow: Follow = False,
    stream: Annotated[Stream | None, typer.Option(help="Only this output of the job.")] = None,
    split: Annotated[
        bool, typer.Option("--split", help="The job's standard error to standard error.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a job printed.

    With -f it waits for the start, shows what was printed before and goes on without a seam, until the job has ended.
    With --json each piece is an event on a line of its own.
    """
    with connected(as_json=as_json) as client:
        found = client.job(job)
        if as_json:
            _as_events(client, found, stream, follow=follow)
        elif follow:
            with walking_away(found.id, f"logs -f {found.id[:8]}"):
                ended = print_log(client, found, stream=stream, split=split)
            typer.echo(how_it_ended(ended), err=True)
        elif split:
            printer = LogPrinter(stream=stream, split=True)
            for event in client.events(found):
                if event.kind is EventKind.log:
                    printer.print(event)
        else:
            write(client.log(found, stream=stream))


def _as_events(client: Client, job: Job, stream: Stream | None, *, follow: bool) -> None:
    with walking_away(job.id, f"logs -f {job.id[:8]}"):
        for frame in client.follow(job) if follow else client.events(job):
            is_log = isinstance(frame, Event) and frame.kind is EventKind.log
            if is_log and isinstance(frame, Event) and stream in {None, frame.data.get("stream")}:
                print_json(frame)
