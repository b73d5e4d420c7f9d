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
        ("pending", job.pending_reason or ""),
        (
            "cancel",
            "asked for; its worker is stopping it" if job.cancel_requested and not job.state.final else "",
        ),
        ("experiment", job.experiment),
        ("entry point", job.entry_point),
        *((f"  {name}", str(value)) for name, value in job.parameters.items()),
        ("parent", job.parent or ""),
        ("bundle", job.bundle or ""),
        ("after", ", ".join(f"{one.job} {one.condition.value}" for one in job.after)),
        ("start at", local(job.start_at) if job.start_at else ""),
        ("queue", f"{job.queue}, priority {job.priority}"),
        ("attempt", f"{job.attempt} of at most {job.max_attempts}"),
        ("retried on", ", ".join(one.value for one in job.retry_on)),
        ("time-out", lasted(job.timeout) if job.timeout else ""),
        ("  in queue", lasted(job.queue_timeout) if job.queue_timeout else ""),
        ("  silent", lasted(job.progress_timeout) if job.progress_timeout else ""),
        ("created", f"{local(job.created_at)} ({age(job.created_at, now)} ago)"),
        ("started", f"{local(job.started_at)} (ran {ran(job, now)})" if job.started_at else ""),
        ("finished", local(job.finished_at) if job.finished_at else ""),
        ("description", job.description),
        ("tags", " ".join(job.tags)),
        ("artifacts", f"{files} file{'s' * (files != 1)}" if files else ""),
        ("MLflow run", job.mlflow_run_id or ""),
        ("archive", job.archive),
        *(("plugin", f"{pin.name}=={pin.version} {pin.sha256}") for pin in job.plugins),
    ]
    return [(name, value) for name, value in lines if value or name[2:] in job.parameters]


def _next(job: Job, files: int) -> list[str]:
    short = job.id[:8]
    if not job.state.final:
        return [f"tiltyard {verb} {short}" for verb in ("logs -f", "why", "wait", "cancel")]
    following = [f"tiltyard logs {short}"]
    if job.state is not JobState.succeeded:
        following += [f"tiltyard why {short}", f"tiltyard retry {short}"]
    if files:
        following.append(f"tiltyard artifacts ls {short}")
    return following
