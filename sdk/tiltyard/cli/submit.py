"""`tiltyard submit`: from a folder to a job. Standard output is the job's id and nothing else."""

import re
from pathlib import Path
from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.follow import exit_code, how_it_ended, print_log, walking_away
from tiltyard.cli.options import (
    After,
    AsJson,
    EntryPoint,
    ExperimentName,
    MaxAttempts,
    Plugins,
    Priority,
    ProgressTimeout,
    QueueName,
    QueueTimeout,
    RetryOn,
    StartAt,
    Timeout,
    Wait,
    pairs,
)
from tiltyard.cli.show import on_terminal, print_json, safe, size
from tiltyard.cli.wanted import as_wanted
from tiltyard.client import Client
from tiltyard.wire.archives import Archive
from tiltyard.wire.jobs import Job, Validation

_SUFFIXES = re.compile(r"\.(tar|tgz|tbz2?|txz|zip|tar\.(gz|bz2|xz))$", re.IGNORECASE)


def submit(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True, help="A folder with an MLproject, an archive of one, or a graph's YAML file."
        ),
    ],
    entry: EntryPoint = "main",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-P", "--parameter", metavar="NAME=VALUE", help="A parameter's value; repeat."),
    ] = None,
    queue: QueueName = "cpu",
    experiment: ExperimentName = None,
    timeout: Timeout = None,
    queue_timeout: QueueTimeout = None,
    progress_timeout: ProgressTimeout = None,
    max_attempts: MaxAttempts = 3,
    retry_on: RetryOn = None,
    priority: Priority = None,
    after: After = None,
    start_at: StartAt = None,
    plugin: Plugins = None,
    description: Annotated[str, typer.Option(help="What this job is for.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag; repeat.")] = None,
    wait: Wait = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Print the log until the end, and wait like that.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and start nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job; prints its id."""
    values = pairs(parameter, "-P")
    with connected(as_json=as_json, refused=exits.USAGE if wait or follow else exits.REFUSED) as client:
        archive = send(client, path)
        wanted = as_wanted(
            experiment=experiment or experiment_of(archive, path),
            entry=entry,
            parameters=values,
            queue=queue,
            timeout=timeout,
            queue_timeout=queue_timeout,
            progress_timeout=progress_timeout,
            max_attempts=max_attempts,
            retry_on=retry_on,
            priority=priority,
            after=after,
            start_at=start_at,
            plugin=plugin,
            description=description,
            tag=tag,
        )
        if dry_run:
            _show_validation(client.validate(archive, **wanted), as_json=as_json)
            return
        job = client.submit(archive, **wanted)
        if not (wait or follow):
            show_submitted(job, as_json=as_json)
            return
        _stay(client, job, follow=follow, as_json=as_json)


def experiment_of(archive: Archive, path: Path) -> str:
    """The experiment where none is named: the project's name, or the folder's."""
    return archive.name or _SUFFIXES.sub("", path.resolve().name)


def send(client: Client, path: Path) -> Archive:
    """Store an archive, and show on a terminal how far that is."""
    if not on_terminal(err=True):
        return client.upload(path)

    def show(sent: int, total: int) -> None:
        typer.echo(f"\rSending {size(sent)} of {size(total)} ", nl=False, err=True)
        if sent == total:
            typer.echo("\r\033[K", nl=False, err=True)

    return client.upload(path, progress=show)


def show_submitted(job: Job, *, as_json: bool) -> None:
    """Print a new job's id, what keeps it from starting, and what to do next."""
    if as_json:
        print_json(job)
        return
    typer.echo(job.id)
    _warn(job)
    short = job.id[:8]
    typer.echo(f"tiltyard logs -f {short}\ntiltyard status {short}\ntiltyard cancel {short}", err=True)


def _show_validation(found: Validation, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    typer.echo(safe(found.command) if on_terminal() else found.command)
    for warning in found.warnings:
        typer.echo(f"tiltyard: {safe(warning)}", err=True)


def _warn(job: Job) -> None:
    for warning in job.warnings:
        typer.echo(f"tiltyard: {safe(warning)}", err=True)
    if job.pending_reason:
        typer.echo(f"tiltyard: {safe(job.pending_reason)}", err=True)


def _stay(client: Client, job: Job, *, follow: bool, as_json: bool) -> None:
    if not as_json:
        typer.echo(job.id)
        _warn(job)
    with walking_away(job.id, f"logs -f {job.id[:8]}" if follow else f"wait {job.id[:8]}"):
        ended = print_log(client, job) if follow and not as_json else client.wait(job)
    if as_json:
        print_json(ended)
    else:
        typer.echo(how_it_ended(ended), err=True)
    raise typer.Exit(exit_code(ended))
