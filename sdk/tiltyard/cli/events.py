"""`tiltyard events`: a job's history, event by event."""

import json
import sys
from typing import Annotated, Any

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.follow import log_text, walking_away
from tiltyard.cli.options import AsJson, Follow, JobId
from tiltyard.cli.show import on_terminal, print_json, safe, size
from tiltyard.wire.events import End, Event, EventKind


def events(
    job: JobId,
    follow: Follow = False,
    after: Annotated[int, typer.Option(min=-1, help="Only what comes after this seq.")] = -1,
    as_json: AsJson = False,
) -> None:
    """Print a job's history.

    With -f it goes on until the job has ended. With --json each event is an object on a line of its own; with -f the last
    line is then the end: {"kind": "end", "state": ..., "seq": ...}.
    """
    with connected(as_json=as_json) as client:
        found = client.job(job)
        seen = after
        try:
            for frame in client.follow(found, after=after) if follow else client.events(found, after=after):
                _print(frame, as_json=as_json)
                seen = frame.seq
        except KeyboardInterrupt:
            with walking_away(found.id, f"events -f --after {seen} {found.id[:8]}"):
                raise


def _print(frame: Event | End, *, as_json: bool) -> None:
    if as_json:
        print_json(frame)
    elif isinstance(frame, End):
        typer.echo(f"Job {frame.job} {frame.state.value}", err=True)
    elif on_terminal():
        typer.echo(
            f"{frame.seq:>5}  {frame.at.astimezone():%H:%M:%S}  {frame.kind.value:<8}  {safe(in_words(frame))}"
        )
    else:
        data = json.dumps(frame.data, ensure_ascii=False)
        sys.stdout.write(
            f"{frame.seq}\t{frame.at.isoformat()}\t{frame.kind.value}\t{frame.attempt}\t{data}\n"
        )
        sys.stdout.flush()


def in_words(event: Event) -> str:
    """What an event tells, for a person."""
    data: dict[str, Any] = event.data
    match event.kind:
        case EventKind.state:
            words = [data.get("state"), data.get("reason") and f"({data['reason']})", data.get("message")]
            return " ".join(str(word) for word in words if word)
        case EventKind.log:
            return log_text(event).rstrip("\n").replace("\n", "\n" + " " * 27)
        case EventKind.metric:
            of = f" of run {data.get('run_name') or data['run']}" if data.get("run") else ""
            return f"{data.get('name')} = {data.get('value')} at step {data.get('step')}{of}"
        case EventKind.progress:
            total = "" if data.get("total") is None else f" of {data['total']}"
            return f"{data.get('done')}{total} {data.get('note') or ''}".rstrip()
        case EventKind.artifact:
            return f"{data.get('path')} ({size(int(data.get('size') or 0))})"
        case EventKind.step:
            took = "" if data.get("seconds") is None else f" after {float(data['seconds']):.3g} s"
            why = f": {data['message']}" if data.get("message") else ""
            return f"{data.get('name')} {data.get('status')}{took}{why}"
