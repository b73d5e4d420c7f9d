"""`tiltyard why`: what a job waits for, and how each of its attempts ended."""

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, JobId
from tiltyard.cli.show import lasted, local, on_terminal, print_json, safe
from tiltyard.wire.explanations import AttemptStory


def why(job: JobId, as_json: AsJson = False) -> None:
    """Say why a job is where it is."""
    with connected(as_json=as_json) as client:
        found = client.why(job)
    if as_json:
        print_json(found)
        return
    shown = safe if on_terminal() else str
    typer.echo(shown(found.summary))
    for story in found.attempts:
        typer.echo(shown(_line(story)))


def _line(story: AttemptStory) -> str:
    took = ""
    if story.ended_at is not None:
        took = f" after {lasted((story.ended_at - story.started_at).total_seconds())}"
    reason = f" ({story.reason.value})" if story.reason and story.reason.value != story.outcome else ""
    said = f": {story.message}" if story.message else ""
    where = f" on {story.worker}" if story.worker else ""
    return f"  attempt {story.attempt}{where}, started {local(story.started_at)}: {story.outcome}{took}{reason}{said}"
