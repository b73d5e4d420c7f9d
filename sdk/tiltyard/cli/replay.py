"""`tiltyard replay`: run a job again as it was, and say whether it comes to the same."""

from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.follow import exit_code, how_it_ended, walking_away
from tiltyard.cli.options import AsJson, JobId
from tiltyard.cli.show import print_json, print_table, safe
from tiltyard.cli.submit import show_submitted
from tiltyard.client import Client
from tiltyard.comparing import TOLERANCE, Replayed
from tiltyard.wire.jobs import Job
from tiltyard.wire.results import written


def replay(
    job: JobId,
    verify: Annotated[
        bool, typer.Option("--verify", help="Wait for its end, and compare its metrics with the first run's.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="What counts as no difference, as a part of the larger value.")
    ] = TOLERANCE,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; the exit code tells how it ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a job that has ended again: same archive, parameters, plugin versions and inputs; prints the new id.

    With --verify it exits with 0 when every metric is identical or within the tolerance, and with 1 when one is not.
    """
    with connected(as_json=as_json, refused=exits.USAGE if wait or verify else exits.REFUSED) as client:
        first = client.job(job)
        made = client.replay(first)
        if not (wait or verify):
            show_submitted(made, as_json=as_json)
            return
        if not as_json:
            typer.echo(made.id, err=verify)
        if verify:
            _verify(client, first, made, tolerance, as_json=as_json)
        else:
            _stay(client, made, as_json=as_json)


def _stay(client: Client, made: Job, *, as_json: bool) -> None:
    with walking_away(made.id, f"wait {made.id[:8]}"):
        ended = client.wait(made)
    print_json(ended) if as_json else typer.echo(how_it_ended(ended), err=True)
    raise typer.Exit(exit_code(ended))


def _verify(client: Client, first: Job, made: Job, tolerance: float, *, as_json: bool) -> None:
    with walking_away(made.id, f"compare {first.id[:8]} {made.id[:8]}"):
        found = client.verify(first, made, tolerance=tolerance)
    print_json(found) if as_json else _show(found)
    raise typer.Exit(exits.OK if found.verdict.same else exits.FAILED)


def _show(found: Replayed) -> None:
    rows = ([one.name, _number(one.before), _number(one.after), one.verdict.value] for one in found.metrics)
    columns = ("METRIC", found.job[:8], found.replay[:8], "VERDICT")
    print_table(columns, rows, empty="Neither run told a metric.")
    for one in found.differences:
        before, after = (safe(str(value)) for value in one.values)
        typer.echo(f"{safe(one.fact)}: {before} -> {after}", err=True)
    typer.echo(f"{found.job} and its replay {found.replay}: {found.verdict.value}", err=True)


def _number(value: float | None) -> str:
    return "-" if value is None else str(written(value))
