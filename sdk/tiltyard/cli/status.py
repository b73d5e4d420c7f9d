"""`tiltyard status`: one job, and what to do with it next."""

from datetime import UTC, datetime

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.jobs import ran
from tiltyard.cli.options import AsJson, JobId
from tiltyard.cli.show import age, lasted, local, on_terminal, print_json, safe
from tiltyard.wire.jobs import Job, JobState


def status(job: JobId, as_json: AsJson = False) -> None:
    """Show a job as it stands."""
    with connected(as_json=as_json) as client:
        found = client.job(job)
        if as_json:
            print_json(found)
            return
        files = len(client.artifacts(found))
        shown = safe if on_terminal() else str
        for name, value in _lines(found, files, datetime.now(UTC)):
            typer.echo(f"{name:<12} {shown(value)}" if on_terminal() else f"{name}\t{value}")
        if on_terminal(err=True):
            typer.echo("\n" + "\n".join(_next(found, files)), err=True)


def _lines(job: Job, files: int, now: datetime) -> list[tuple[str, str]]:
    state = job.state.value + (f" ({job.reason.value})" if job.reason else "")
    lines = [
        ("job", job.id),
        ("state", state),
        ("message", job.message or ""),
        ("experiment", job.experiment),
        ("entry point", job.entry_point),
        *((f"  {name}", str(value)) for name, value in job.parameters.items()),
        ("queue", job.queue),
        ("attempt", f"{job.attempt} of at most {job.max_attempts}"),
        ("time-out", lasted(job.timeout) if job.timeout else ""),
        ("created", f"{local(job.created_at)} ({age(job.created_at, now)} ago)"),
        ("started", f"{local(job.started_at)} (ran {ran(job, now)})" if job.started_at else ""),
        ("finished", local(job.finished_at) if job.finished_at else ""),
        ("description", job.description),
        ("tags", " ".join(job.tags)),
        ("artifacts", f"{files} file{'s' * (files != 1)}" if files else ""),
        ("MLflow run", job.mlflow_run_id or ""),
        ("archive", job.archive),
    ]
    return [(name, value) for name, value in lines if value or name.startswith("  ")]


def _next(job: Job, files: int) -> list[str]:
    short = job.id[:8]
    if not job.state.final:
        return [f"tiltyard logs -f {short}", f"tiltyard wait {short}", f"tiltyard cancel {short}"]
    following = [f"tiltyard logs {short}"]
    if job.state is not JobState.succeeded:
        following.append(f"tiltyard events {short}")
    if files:
        following.append(f"tiltyard artifacts ls {short}")
    return following
