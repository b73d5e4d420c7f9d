"""`tiltyard queue`: where jobs wait, one queue per worker image."""

from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, group
from tiltyard.cli.show import as_plain, print_json, print_table

queue = group("List, make, pause and resume queues.")

Name = Annotated[str, typer.Argument(help="The queue's name.")]


@queue.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List the queues, and how busy each is."""
    with connected(as_json=as_json) as client:
        found = list(client.queues())
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [
                one.name,
                "paused" if one.paused else "open",
                *map(str, (one.queued, one.running, one.workers)),
                one.description,
            ]
            for one in found
        )
        print_table(
            ("QUEUE", "STATE", "QUEUED", "RUNNING", "WORKERS", "DESCRIPTION"),
            rows,
            empty="There are no queues.",
        )


@queue.command("create")
def create(
    name: Name,
    description: Annotated[str, typer.Option(help="What its workers have.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a queue, for workers of a new image."""
    with connected(as_json=as_json) as client:
        made = client.create_queue(name, description=description)
        print_json(made) if as_json else typer.echo(made.name)


@queue.command("pause")
def pause(name: Name, as_json: AsJson = False) -> None:
    """Start none of its jobs until it is resumed; it goes on taking them, and those that run go on."""
    _set_paused(name, True, as_json=as_json)


@queue.command("resume")
def resume(name: Name, as_json: AsJson = False) -> None:
    """Start its jobs again."""
    _set_paused(name, False, as_json=as_json)


def _set_paused(name: str, paused: bool, *, as_json: bool) -> None:
    with connected(as_json=as_json) as client:
        found = client.update_queue(name, paused=paused)
        if as_json:
            print_json(found)
            return
        typer.echo(
            f"The queue {found.name} is {'paused' if found.paused else 'open'}: "
            f"{found.queued} {'job waits' if found.queued == 1 else 'jobs wait'}.",
            err=True,
        )
