"""`tiltyard sweep show` and `plot`: how a sweep stands and what it came to, as a table and a curve in the terminal.

In a pipe there is no picture: a line for each point, or with `--all` for each cell, its fields separated by tabs.
"""

import os
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import typer

from tiltyard.cli.show import as_plain, lasted, on_terminal, print_json, print_table, safe
from tiltyard.cli.terminal_plot import named, plot, value
from tiltyard.client import Client, Refused
from tiltyard.client.calls.sweep_results import Look, View
from tiltyard.wire.curves import CurveLine, CurvePoint, Curves
from tiltyard.wire.sweep_results import CellResult
from tiltyard.wire.sweeps import Sweep

MOST_ROWS = 30
BAR = 24


def show_sweep(
    client: Client, sweep: str, *, view: View, all_cells: bool = False, as_json: bool = False
) -> None:
    """Show how a sweep stands, and its metric over a parameter; or (`all_cells`) what each cell came to."""
    found = client.sweep(sweep)
    if all_cells:
        _show_cells(found, list(client.sweep_results(found.id)), as_json=as_json)
        return
    curves, why = _curves(client, found, view)
    if as_json:
        print_json({"sweep": as_plain(found), "curves": as_plain(curves)})
        return
    if not on_terminal():
        for line in _points(curves):
            typer.echo("\t".join(line))
        if why:
            typer.echo(f"tiltyard: {why}", err=True)
        return
    for text in header(found):
        typer.echo(text)
    typer.echo()
    if curves is None:
        typer.echo(named(why[:1].upper() + why[1:]) + ".")
        return
    width = shutil.get_terminal_size().columns
    _print_pivot(curves, width)
    typer.echo()
    typer.echo(plot(curves, width=width, colour="NO_COLOR" not in os.environ))
    typer.echo()
    for text in _footer(found, curves):
        typer.echo(textwrap.fill(text, width, subsequent_indent="  "))


def plot_sweep(client: Client, sweep: str, to: Path, *, as_json: bool = False, **look: Unpack[Look]) -> None:
    """Have a sweep's picture drawn into a file; print where it is."""
    saved = client.sweep_plot(sweep, to, **look)
    if as_json:
        print_json(str(saved))
    else:
        typer.echo(safe(str(saved)) if on_terminal() else str(saved))


def _curves(client: Client, sweep: Sweep, view: View) -> tuple[Curves | None, str]:
    try:
        return client.sweep_curves(sweep.id, **view), ""
    except Refused as refused:
        if refused.problem.code != "no_results":
            raise
        return None, refused.problem.detail


def header(sweep: Sweep) -> list[str]:
    """Two lines: what a sweep is, and how far it is."""
    axes = " x ".join(f"{named(axis.parameter)} ({len(axis.values or ())})" for axis in sweep.axes)
    done = round(BAR * sweep.progress)
    counts = [f"{count} {state}" for state, count in sweep.jobs.items() if count]
    more = {
        "held back": sweep.held,
        "reused": sweep.reused,
        "removed": sweep.missing,
    }
    counts += [f"{count} {what}" for what, count in more.items() if count]
    left = f" · about {lasted(sweep.eta)} left" if sweep.eta is not None else ""
    return [
        f"sweep {sweep.id}  {sweep.state.value}  of {named(sweep.experiment)}, {named(sweep.entry_point)}",
        f"{sweep.mode.value} of {axes}: {sweep.cells} cell{'s' * (sweep.cells != 1)}",
        f"{'█' * done}{'░' * (BAR - done)} {sweep.progress:.0%}  {', '.join(counts)}{left}",
    ]


def _print_pivot(curves: Curves, width: int) -> None:
    lines = [line for line in curves.lines if line.points]
    points = {id(line): {repr(point.x): point for point in line.points} for line in lines}
    every = -(-len(curves.values) // MOST_ROWS)
    shown = curves.values[::every]
    for some in _that_fit(lines, points, max(len(curves.x), *(len(value(x)) for x in shown)), width):
        columns = [curves.x, *(named(line.label) or curves.y_label for line in some)]
        rows = [[value(x), *(number(points[id(line)].get(repr(x))) for line in some)] for x in shown]
        print_table(columns, rows, empty="")
    if every > 1:
        typer.echo(
            f"{len(shown)} of {len(curves.values)} values of {named(curves.x)}; --all shows every cell"
        )


def _that_fit(lines: Sequence[CurveLine], points: Any, first: int, width: int) -> Iterator[list[CurveLine]]:
    """Lines in parts whose columns fit the terminal."""
    part: list[CurveLine] = []
    used = first
    for line in lines:
        numbers = (len(number(point)) for point in points[id(line)].values())
        needed = 2 + max(len(named(line.label)), *numbers)
        if part and used + needed > width:
            yield part
            part, used = [], first
        part.append(line)
        used += needed
    if part:
        yield part


def number(point: CurvePoint | None) -> str:
    """A point of a table: its mean, and how far its band goes."""
    if point is None:
        return "-"
    half = (point.high - point.low) / 2
    if point.n == 1:
        return f"{point.mean:.4g}"
    digits = f".{max(0, min(6, 2 - _magnitude(half)))}f" if 0 < half < 1e6 else ".4g"
    return f"{point.mean:{digits}} ±{half:{digits}}"


def _magnitude(half: float) -> int:
    """The place of the first digit of a number above 0, counted from the one before the point."""
    return int(f"{half:e}".partition("e")[2]) + 1


def _footer(sweep: Sweep, curves: Curves) -> list[str]:
    counts = [point.n for line in curves.lines for point in line.points]
    told = []
    if max(counts) > 1:
        over = f" over {', '.join(map(named, curves.over))}" if curves.over else ""
        of = f"{max(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        told.append(f"mean{over} of {of} cells each; ±: {curves.band}")
    if curves.note:
        told.append(named(curves.note))
    others = [named(name) for name in curves.metrics if name != curves.y]
    if others:
        told.append(f"other metrics: {', '.join(others[:8])}{', …' if len(others) > 8 else ''} (-y NAME)")
    return [*told, f"tiltyard sweep plot {sweep.id[:8]} -o {named(curves.y)}.svg"]


def _points(curves: Curves | None) -> Iterator[list[str]]:
    for line in curves.lines if curves else ():
        for point in line.points:
            numbers = (point.mean, point.low, point.high)
            yield [*map(str, line.values.values()), str(point.x), str(point.n), *map(repr, numbers)]


def _show_cells(sweep: Sweep, cells: Sequence[CellResult], *, as_json: bool) -> None:
    if as_json:
        print_json({"sweep": as_plain(sweep), "results": as_plain(list(cells))})
        return
    axes = [axis.parameter for axis in sweep.axes]
    metrics = sorted({name for cell in cells for name in cell.metrics})
    columns = ("CELL", "JOB", "STATE", *map(named, axes), *map(named, metrics))
    full = not on_terminal()
    rows = [
        [
            str(cell.number), (cell.job or "-") if full else (cell.job or "-")[:8],
            cell.state.value if cell.state else "removed", *(_plain(cell.values.get(name)) for name in axes),
            *(_metric(cell.metrics.get(name), full=full) for name in metrics),
        ]
        for cell in cells
    ]  # fmt: skip
    print_table(columns, rows, empty="The sweep has no cells.")


def _plain(given: Any) -> str:
    return value(given) if on_terminal() else str(given)


def _metric(found: float | None, *, full: bool) -> str:
    if found is None:
        return "-"
    return repr(found) if full else f"{found:.4g}"
