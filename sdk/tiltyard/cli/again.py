"""`tiltyard retry` and `clone`: from a job to a new one that names it as its parent."""

from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import (
    After,
    AsJson,
    JobId,
    JobIds,
    Plugins,
    Priority,
    ProgressTimeout,
    QueueTimeout,
    RetryOn,
    StartAt,
    dependencies,
    moment,
    pairs,
)
from tiltyard.cli.show import print_json
from tiltyard.cli.submit import show_submitted
from tiltyard.client.submission import Changes


def retry(job: JobIds, as_json: AsJson = False) -> None:
    """Submit jobs that failed or were cancelled once more; prints the new ids."""
    with connected(as_json=as_json) as client:
        for name in job:
            made = client.retry(name)
            print_json(made) if as_json else typer.echo(made.id)


def clone(
    job: JobId,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--set", "-P", metavar="NAME=VALUE", help="A parameter's other value; repeat."),
    ] = None,
    entry: Annotated[str | None, typer.Option("-e", "--entry", help="Another entry point.")] = None,
    queue: Annotated[str | None, typer.Option("-q", "--queue", help="Another queue.")] = None,
    experiment: Annotated[str | None, typer.Option("-x", "--experiment", help="Another experiment.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Another time-out.")] = None,
    queue_timeout: QueueTimeout = None,
    progress_timeout: ProgressTimeout = None,
    max_attempts: Annotated[int | None, typer.Option(help="How often the code may start at most.")] = None,
    retry_on: RetryOn = None,
    priority: Priority = None,
    after: After = None,
    start_at: StartAt = None,
    plugin: Plugins = None,
    same_plugins: Annotated[
        bool, typer.Option("--same-plugins", help="Take the very versions that the parent had.")
    ] = False,
    description: Annotated[str | None, typer.Option(help="What this job is for.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Its tags, in place of the parent's; repeat.")] = None,
    as_json: AsJson = False,
) -> None:
    """Submit a job like another one but for what is given; prints the new id. What its parent waited for, it does not."""
    given = {
        "parameters": pairs(parameter, "--set"), "entry_point": entry, "queue": queue, "experiment": experiment,
        "timeout": timeout, "queue_timeout": queue_timeout, "progress_timeout": progress_timeout,
        "max_attempts": max_attempts, "retry_on": retry_on, "priority": priority, "after": dependencies(after),
        "start_at": moment(start_at), "plugins": plugin, "same_plugins": same_plugins or None,
        "description": description, "tags": tag,
    }  # fmt: skip
    changes: Changes = {name: value for name, value in given.items() if value is not None}  # type: ignore[assignment]
    with connected(as_json=as_json) as client:
        show_submitted(client.clone(job, **changes), as_json=as_json)
