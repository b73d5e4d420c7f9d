"""`tiltyard results`: what the jobs of an experiment came to, side by side, or saved as a table."""

import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.metrics import number
from tiltyard.cli.options import AsJson, ByState, ByTag
from tiltyard.cli.show import as_plain, lasted, on_terminal, print_json, print_table, safe
from tiltyard.client import Client
from tiltyard.client.calls.results import Questions, TableFormat
from tiltyard.wire.results import Result

FIXED = ("ID", "STATE", "RAN")
WIDEST, GAP = 24, 1
"""Of a cell, and between two."""

Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment's name.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "-w", "--where", metavar="CONDITION",
        help="Such as 'metric.accuracy<0.5', 'param.eps>=0.1', 'param.attack=fgm'; repeat.",
    ),
]  # fmt: skip
Sort = Annotated[
    str | None,
    typer.Option(
        metavar="KEY", help="metric.NAME, param.NAME, created, finished or seconds; -KEY: the highest first."
    ),
]


def results(
    experiment: Experiment,
    where: Where = None,
    sort: Sort = None,
    state: ByState = None,
    tag: ByTag = None,
    entry_point: Annotated[
        str | None, typer.Option("-e", "--entry-point", help="Only of this entry point.")
    ] = None,
    sweep: Annotated[str | None, typer.Option(help="Only the cells of this sweep.")] = None,
    limit: Annotated[int, typer.Option("-n", min=1, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="However many there are.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="All of them as CSV, to -o or to standard output.")
    ] = False,
    as_parquet: Annotated[bool, typer.Option("--parquet", help="All of them as Parquet, to -o.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file, or a folder: save all of them there.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show an experiment's jobs with the parameters in which they differ, and their metrics."""
    asked = Questions(
        where=where or (), sort=sort, state=state or (), tag=tag, entry_point=entry_point, sweep=sweep
    )
    kind = _format(as_csv=as_csv, as_parquet=as_parquet, output=output)
    with connected(as_json=as_json) as client:
        if kind is not None:
            _save(client, experiment, output, kind, asked)
            return
        found = client.results(experiment, **asked)
        rows = list(found if everything else islice(found, limit))
        if as_json:
            print_json(as_plain(rows))
            return
        _show(rows)


def _format(*, as_csv: bool, as_parquet: bool, output: Path | None) -> TableFormat | None:
    if as_csv and as_parquet:
        raise typer.BadParameter("it is one or the other", param_hint="--csv, --parquet")
    if as_parquet and output is None and on_terminal():
        raise typer.BadParameter("Parquet is no text: say where to with -o FILE", param_hint="--parquet")
    if as_csv or as_parquet:
        return "csv" if as_csv else "parquet"
    match output.suffix if output else None:
        case None:
            return None
        case ".csv":
            return "csv"
        case ".parquet":
            return "parquet"
        case _:
            raise typer.BadParameter("end it with .csv or .parquet, or say which", param_hint="-o")


def _save(client: Client, experiment: str, output: Path | None, kind: TableFormat, asked: Questions) -> None:
    if output is not None:
        saved = str(client.save_results(experiment, output, format=kind, **asked))
        typer.echo(safe(saved) if on_terminal() else saved)
        return
    with tempfile.TemporaryDirectory(prefix="tiltyard-results-") as folder:
        whole = client.save_results(experiment, folder, format=kind, **asked)
        with whole.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _show(rows: Sequence[Result]) -> None:
    columns, cells = table(rows)
    if not on_terminal():
        print_table(columns, cells, empty="")
        return
    fitting = how_many_fit(columns, cells, shutil.get_terminal_size().columns)
    print_table(columns[:fitting], [one[:fitting] for one in cells], empty="There are no such results.")
    if fitting < len(columns):
        left = ", ".join(columns[fitting:])
        said = f"tiltyard: no room here for {left}; --json and -o FILE.csv have everything"
        typer.echo(safe(said[:500]), err=True)


def table(rows: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """The columns and cells that a person is shown: the parameters in which the jobs differ, and all metrics."""
    parameters = [name for name in _names([row.parameters for row in rows]) if _varies(rows, name)]
    metrics = _names([row.metrics for row in rows])
    cells = [
        [
            row.id,
            row.state.value,
            "-" if row.seconds is None else lasted(row.seconds),
            *(_value(row.parameters.get(name)) for name in parameters),
            *(number(row.metrics[name]) if name in row.metrics else "-" for name in metrics),
        ]
        for row in rows
    ]
    return [*FIXED, *parameters, *metrics], cells


def how_many_fit(columns: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> int:
    """How many columns fit beside each other, the first three in any case."""
    used = 0
    for place, name in enumerate(columns):
        longest = max(len(name), *(len(row[place]) for row in cells)) if cells else len(name)
        used += min(longest, WIDEST) + GAP
        if used - GAP > width and place >= len(FIXED):
            return place
    return len(columns)


def _names(given: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names in the order in which they first come."""
    return list(dict.fromkeys(name for one in given for name in one))


def _varies(rows: Sequence[Result], name: str) -> bool:
    return len({_value(row.parameters.get(name)) for row in rows}) > 1 or len(rows) == 1


def _value(value: object) -> str:
    if value is None:
        return "-"
    return number(value) if isinstance(value, float) else str(value)
