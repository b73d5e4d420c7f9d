"""`tiltyard cancel`: jobs by their names, or all that fit a filter, which are counted first."""

from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, ByExperiment, ByQueue, ByState, BySweep, ByTag
from tiltyard.cli.show import many, on_terminal, print_json
from tiltyard.client import Client
from tiltyard.client.submission import Chosen
from tiltyard.wire.jobs import CancelledMany, Job


def cancel(
    job: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or the beginnings of them.")
    ] = None,
    state: ByState = None,
    experiment: ByExperiment = None,
    sweep: BySweep = None,
    queue: ByQueue = None,
    tag: ByTag = None,
    everything: Annotated[bool, typer.Option("--all", help="Every job that has not ended.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be cancelled.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before cancelling what fits.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask for the end of jobs.

    A queued or waiting job ends at once; a running one when its worker has stopped it; one that has ended stays as it is.
    """
    given = {"state": state, "experiment": experiment, "sweep": sweep, "queue": queue, "tag": tag}
    chosen: Chosen = {name: value for name, value in given.items() if value}  # type: ignore[assignment]
    if bool(job) == bool(chosen or everything):
        raise typer.BadParameter(
            "give ids, or say which jobs with --state, --experiment, --sweep, --queue, --tag or --all"
        )
    if job and dry_run:
        raise typer.BadParameter("jobs that are named need no counting", param_hint="--dry-run")
    with connected(as_json=as_json) as client:
        for name in job or ():
            _show(client.cancel(name), as_json=as_json)
        if sweep:
            chosen["sweep"] = client.sweep(sweep).id
        if not job:
            _cancel_many(client, chosen, everything=everything, dry_run=dry_run, yes=yes, as_json=as_json)


def _show(found: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif found.state.final:
        typer.echo(f"Job {found.id} is {found.state.value}.", err=True)
    else:
        typer.echo(f"Job {found.id} is asked to end; `tiltyard wait {found.id[:8]}` waits for it.", err=True)


def _cancel_many(
    client: Client, chosen: Chosen, *, everything: bool, dry_run: bool, yes: bool, as_json: bool
) -> None:
    count = client.cancel_many(everything=everything, dry_run=True, **chosen)
    if dry_run:
        print_json(count) if as_json else typer.echo(f"{many(count.matched, 'job')} would be cancelled.")
        return
    if count.matched and not yes:
        if not on_terminal(err=True):
            typer.echo(f"tiltyard: {many(count.matched, 'job')} would be cancelled; say --yes", err=True)
            raise typer.Exit(exits.USAGE)
        typer.confirm(f"Cancel {many(count.matched, 'job')}?", abort=True, err=True)
    done = client.cancel_many(everything=everything, **chosen)
    print_json(done) if as_json else typer.echo(_said(done), err=True)


def _said(done: CancelledMany) -> str:
    if not done.matched:
        return "No job fits that has not ended."
    asked = f"; {done.asked} running {'is' if done.asked == 1 else 'are'} asked to end" if done.asked else ""
    return f"{many(done.cancelled, 'job')} cancelled{asked}."
