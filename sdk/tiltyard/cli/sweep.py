"""`tiltyard sweep`: many jobs as one thing. What is no verb is a path: `tiltyard sweep PATH` submits one."""

from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, ByExperiment, ByState
from tiltyard.cli.show import age, as_plain, print_json, print_table
from tiltyard.cli.sweep_run import run
from tiltyard.cli.sweep_show import plot_sweep, show_sweep
from tiltyard.cli.sweep_status import show_status
from tiltyard.cli.sweep_wait import counts, in_a_line, stay
from tiltyard.client.calls.sweep_results import View
from tiltyard.wire.sweeps import Sweep, SweepRetried

SweepId = Annotated[str, typer.Argument(metavar="ID", help="The sweep's id, or the beginning of it.")]
X = Annotated[str | None, typer.Option("-x", help="The parameter along the lines.")]
Y = Annotated[str | None, typer.Option("-y", help="The metric.")]
By = Annotated[list[str] | None, typer.Option("--by", help="A parameter with a line for each value; repeat.")]
Over = Annotated[list[str] | None, typer.Option("--over", help="A parameter to average over; repeat.")]
Heatmap = Annotated[bool, typer.Option("--heatmap", help="A field of two parameters.")]


class Sweeps(TyperGroup):
    """The verbs; what is none of them is what `run` is given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` before a path or an option."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            self._check(args[0])
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def _check(self, given: str) -> None:
        meant = get_close_matches(given, self.commands, n=1)
        if meant and not Path(given).exists():
            raise typer.BadParameter(f"{given!r} is no verb and no path (did you mean {meant[0]!r}?)")


sweep = typer.Typer(
    cls=Sweeps,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Submit many jobs as one thing (`tiltyard sweep PATH -P eps=0:0.3:7 -P attack=fgm,pgd`), and steer them.",
)
sweep.command("run")(run)


@sweep.command("ls")
def ls(
    experiment: ByExperiment = None,
    number: Annotated[int, typer.Option("-n", min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List sweeps, newest first."""
    with connected(as_json=as_json) as client:
        found = list(islice(client.sweeps(experiment=experiment), number))
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [
                one.id, one.state.value, one.experiment, str(one.cells), f"{one.progress:.0%}", counts(one),
                age(one.created_at), " ".join(axis.parameter for axis in one.axes), one.description,
            ]
            for one in found
        )  # fmt: skip
        columns = ("ID", "STATE", "EXPERIMENT", "CELLS", "DONE", "JOBS", "AGE", "AXES", "DESCRIPTION")
        print_table(columns, rows, empty="There are no sweeps.")


@sweep.command("status")
def status(sweep: SweepId, as_json: AsJson = False) -> None:
    """Show a sweep as it stands."""
    with connected(as_json=as_json) as client:
        show_status(client.sweep(sweep), as_json=as_json)


@sweep.command("show")
def show(
    sweep: SweepId,
    x: X = None,
    y: Y = None,
    by: By = None,
    over: Over = None,
    heatmap: Heatmap = False,
    all_cells: Annotated[
        bool, typer.Option("--all", help="Every cell with its metrics, not a curve.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a sweep came to so far: a table and a curve."""
    view: View = {"x": x, "y": y, "by": by, "over": over, "heatmap": heatmap}
    with connected(as_json=as_json) as client:
        show_sweep(client, sweep, view=view, all_cells=all_cells, as_json=as_json)


@sweep.command("plot")
def plot(
    sweep: SweepId,
    to: Annotated[Path, typer.Option("-o", "--output", help="The file: .png or .svg.")],
    x: X = None,
    y: Y = None,
    by: By = None,
    over: Over = None,
    heatmap: Heatmap = False,
    title: Annotated[str | None, typer.Option(help="What stands above it.")] = None,
    width: Annotated[int | None, typer.Option(help="In pixels.")] = None,
    height: Annotated[int | None, typer.Option(help="In pixels.")] = None,
    as_json: AsJson = False,
) -> None:
    """Have a picture of a sweep's metric drawn into a file."""
    look: dict[str, Any] = {"title": title, "width": width, "height": height}
    with connected(as_json=as_json) as client:
        plot_sweep(client, sweep, to, as_json=as_json, x=x, y=y, by=by, over=over, heatmap=heatmap, **look)


@sweep.command("cells")
def cells(sweep: SweepId, state: ByState = None, as_json: AsJson = False) -> None:
    """List a sweep's cells and their jobs, in order."""
    with connected(as_json=as_json) as client:
        found = list(client.sweep_cells(sweep, state=state or ()))
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [
                str(one.number), one.job or "-",
                "held" if one.held else one.state.value if one.state else "removed",
                "reused" if one.reused else "",
                " ".join(f"{name}={value}" for name, value in one.values.items()),
            ]
            for one in found
        )  # fmt: skip
        print_table(("CELL", "JOB", "STATE", "", "VALUES"), rows, empty="There are no such cells.")


@sweep.command("pause")
def pause(sweep: SweepId, as_json: AsJson = False) -> None:
    """Start no more of a sweep's jobs; what runs goes on."""
    with connected(as_json=as_json) as client:
        _steered(client.pause_sweep(sweep), as_json=as_json)


@sweep.command("resume")
def resume(sweep: SweepId, as_json: AsJson = False) -> None:
    """Let a paused sweep's jobs start again."""
    with connected(as_json=as_json) as client:
        _steered(client.resume_sweep(sweep), as_json=as_json)


@sweep.command("limit")
def limit(
    sweep: SweepId,
    number: Annotated[int, typer.Argument(min=0, help="How many at a time; 0 for however many.")],
    as_json: AsJson = False,
) -> None:
    """Change how many of a sweep's jobs may be in their queue or running at a time."""
    with connected(as_json=as_json) as client:
        _steered(client.update_sweep(sweep, max_parallel=number or None), as_json=as_json)


@sweep.command("cancel")
def cancel(sweep: SweepId, as_json: AsJson = False) -> None:
    """Ask for the end of every job that a sweep made; what another sweep shares goes on."""
    with connected(as_json=as_json) as client:
        _steered(client.cancel_sweep(sweep), as_json=as_json)


@sweep.command("retry")
def retry(
    sweep: SweepId,
    cancelled: Annotated[bool, typer.Option("--cancelled", help="Cells that were cancelled, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run each cell once more whose job failed."""
    with connected(as_json=as_json) as client:
        done = client.retry_sweep(sweep, cancelled=cancelled)
        if as_json:
            print_json(done)
            return
        said = [f"{done.made} run again"]
        said += [f"{done.linked} known by now"] if done.linked else []
        said += [_passed_over(done)] if done.passed_over else []
        typer.echo(", ".join(said), err=True)


def _passed_over(done: SweepRetried) -> str:
    if not done.unmet:
        return f"{done.passed_over} not, since what they were to run after did not succeed"
    jobs = " ".join(done.unmet)
    first = "; ".join(f"tiltyard retry {job}" for job in done.unmet[:3])
    return (
        f"{done.passed_over} not, since what they were to run after did not succeed: {jobs}. Run that again first "
        f"({first}), and then this"
    )


@sweep.command("wait")
def wait(sweep: SweepId, as_json: AsJson = False) -> None:
    """Wait for a sweep to end; the exit code tells how.

    0 succeeded, 1 some failed, 2 usage, 3 none failed and some were cancelled, 6 server unreachable.
    """
    with connected(as_json=as_json, refused=exits.USAGE) as client:
        stay(client, client.sweep(sweep), as_json=as_json)


def _steered(found: Sweep, *, as_json: bool) -> None:
    print_json(found) if as_json else typer.echo(f"Sweep {found.id}: {in_a_line(found)}", err=True)
