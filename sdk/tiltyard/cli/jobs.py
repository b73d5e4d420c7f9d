"""`tiltyard ls` and `wait`: many jobs at once."""

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.follow import exit_code, how_it_ended, walking_away
from tiltyard.cli.options import AsJson, ByExperiment, ByQueue, ByState, BySweep, ByTag, JobIds
from tiltyard.cli.show import age, as_plain, lasted, print_json, print_table
from tiltyard.wire.jobs import Job

COLUMNS = ("ID", "STATE", "EXPERIMENT", "ENTRY", "QUEUE", "AGE", "RAN", "PARAMETERS")


def ls(
    state: ByState = None,
    experiment: ByExperiment = None,
    sweep: BySweep = None,
    queue: ByQueue = None,
    tag: ByTag = None,
    number: Annotated[int, typer.Option("-n", min=1, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="However many there are.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with connected(as_json=as_json) as client:
        of = client.sweep(sweep).id if sweep else None
        found = client.jobs(state=state or (), experiment=experiment, sweep=of, queue=queue, tag=tag)
        jobs = list(found if everything else islice(found, number))
        if as_json:
            print_json(as_plain(jobs))
            return
        now = datetime.now(UTC)
        print_table(COLUMNS, (_row(job, now) for job in jobs), empty="There are no such jobs.")


def _row(job: Job, now: datetime) -> list[str]:
    values = " ".join(f"{name}={value}" for name, value in job.parameters.items())
    return [
        job.id, job.state.value, job.experiment, job.entry_point, job.queue,
        age(job.created_at, now), ran(job, now), values,
    ]  # fmt: skip


def ran(job: Job, now: datetime) -> str:
    """How long the newest attempt has run."""
    if job.started_at is None:
        return "-"
    return lasted(((job.finished_at or now) - job.started_at).total_seconds())


def wait(job: JobIds, as_json: AsJson = False) -> None:
    """Wait for jobs to end; the exit code tells how.

    0 succeeded, 1 failed, 2 usage, 3 cancelled, 4 timed out, 5 worker lost, 6 server unreachable. Of several jobs the first
    that did not succeed decides.
    """
    codes: list[int] = []
    with connected(as_json=as_json, refused=exits.USAGE) as client:
        for found in [client.job(name) for name in job]:
            with walking_away(found.id, f"wait {found.id[:8]}"):
                ended = client.wait(found)
            if as_json:
                print_json(ended)
            else:
                typer.echo(how_it_ended(ended))
            codes.append(exit_code(ended))
    raise typer.Exit(next((code for code in codes if code), exits.OK))
