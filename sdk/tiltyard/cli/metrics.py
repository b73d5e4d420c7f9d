"""`tiltyard metrics`: what a job measured, as it stands or step by step."""

from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, JobId
from tiltyard.cli.show import as_plain, local, print_json, print_table
from tiltyard.client import Client
from tiltyard.wire.results import Metric, written

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="A metric: its values by step.")]


def metrics(job: JobId, name: Name = None, as_json: AsJson = False) -> None:
    """Show a job's metrics as they stand, or all values of one by step."""
    with connected(as_json=as_json) as client:
        if name is not None:
            _history(client, job, name, as_json=as_json)
            return
        found = list(client.metrics(job).values())
        if as_json:
            print_json(as_plain(found))
            return
        rows = ([one.name, number(one.value), str(one.step), _told_by(one)] for one in found)
        print_table(("METRIC", "VALUE", "STEP", "BY"), rows, empty="The job has no metrics so far.")


def _history(client: Client, job: str, name: str, *, as_json: bool) -> None:
    history = client.metric_history(job, name)
    if as_json:
        print_json(history)
        return
    rows = ([str(one.step), number(one.value), local(one.at), _told_by(one)] for one in history.items)
    print_table(("STEP", "VALUE", "TOLD", "BY"), rows, empty="There are no values.")
    if not history.complete:
        said = "tiltyard: some values were left out of the job's events; MLflow has them, and is away now"
        typer.echo(said, err=True)


def number(value: float) -> str:
    """A number, in as many digits as a person reads."""
    shown = written(value)
    return shown if isinstance(shown, str) else f"{shown:.6g}"


def _told_by(metric: Metric) -> str:
    return f"attempt {metric.attempt}" if metric.attempt else "posted"
