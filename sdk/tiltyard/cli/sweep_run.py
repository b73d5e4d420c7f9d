"""`tiltyard sweep PATH`: from a folder to many jobs. Standard output is the sweep's id and nothing else."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tiltyard.cli import axes, exits
from tiltyard.cli.connected import connected
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
from tiltyard.cli.show import print_json, safe
from tiltyard.cli.submit import experiment_of, send
from tiltyard.cli.sweep_wait import stay
from tiltyard.cli.wanted import as_wanted
from tiltyard.wire.sweeps import Sweep, SweepPlan


def run(
    path: Annotated[
        Path,
        typer.Argument(
            exists=True,
            metavar="PATH",
            help="A folder with an MLproject, an archive of one, or a graph's YAML file.",
        ),
    ],
    parameter: Annotated[
        list[str] | None, typer.Option("-P", "--parameter", metavar="NAME=VALUES", help=axes.HELP)
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter's one value, taken as it is; repeat."),
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Each value with each of every other axis; the default.")
    ] = False,
    zipped: Annotated[
        bool, typer.Option("--zip", help="The first values of all axes, then the second ones.")
    ] = False,
    random: Annotated[
        int | None,
        typer.Option("--random", metavar="N", min=1, help="So many choices by chance, none twice."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of --random; the same seed draws the same.")
    ] = None,
    max_parallel: Annotated[
        int | None, typer.Option(min=1, help="How many jobs may be in their queue or running at a time.")
    ] = None,
    entry: EntryPoint = "main",
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
    description: Annotated[str, typer.Option(help="What this sweep is for.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag, also of its jobs; repeat.")] = None,
    wait: Wait = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Make nothing: tell how many cells, and how many are known.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a job for each choice of values, but for those that were run before; prints the sweep's id.

    `tiltyard sweep PATH -P eps=0:0.3:7 -P attack=fgm,pgd` is a grid of 14 jobs. `run` may be left out.
    """
    chosen = _mode(grid=grid, zipped=zipped, random=random)
    given = axes.read_axes(parameter, pairs(fixed, "--set"))
    if not given.axes:
        raise typer.BadParameter("give a parameter several values, or use `tiltyard submit`", param_hint="-P")
    with connected(as_json=as_json, refused=exits.USAGE if wait else exits.REFUSED) as client:
        archive = send(client, path)
        wanted = as_wanted(
            experiment=experiment or experiment_of(archive, path),
            entry=entry,
            parameters=given.fixed,
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
            plan = client.plan_sweep(archive, axes=given.axes, seed=seed, **chosen, **wanted)
            _show_plan(plan, as_json=as_json)
            return
        sweep = client.submit_sweep(
            archive, axes=given.axes, seed=seed, max_parallel=max_parallel, **chosen, **wanted
        )
        _show(sweep, as_json=as_json and not wait)
        if wait:
            stay(client, sweep, as_json=as_json)


def _mode(*, grid: bool, zipped: bool, random: int | None) -> dict[str, Any]:
    if grid + zipped + (random is not None) > 1:
        raise typer.BadParameter("say one of --grid, --zip and --random")
    if random is not None:
        return {"mode": "random", "count": random}
    return {"mode": "zip" if zipped else "grid"}


def _show_plan(plan: SweepPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(plan)
        return
    for warning in plan.warnings:
        typer.echo(f"tiltyard: {safe(warning)}", err=True)
    drawn = f", seed {plan.seed}" if plan.seed is not None else ""
    cells = f"{plan.cells} cell{'s' * (plan.cells != 1)}"
    typer.echo(f"{cells}, {plan.reused} known already, {plan.jobs} to run{drawn}; nothing was made")


def _show(sweep: Sweep, *, as_json: bool) -> None:
    if as_json:
        print_json(sweep)
        return
    typer.echo(sweep.id)
    for warning in sweep.warnings:
        typer.echo(f"tiltyard: {safe(warning)}", err=True)
    known = f", {sweep.reused} known already" if sweep.reused else ""
    drawn = f", seed {sweep.seed}" if sweep.seed is not None else ""
    typer.echo(f"{sweep.cells} cell{'s' * (sweep.cells != 1)}{known}{drawn}", err=True)
    short = sweep.id[:8]
    typer.echo(
        f"tiltyard sweep wait {short}\ntiltyard sweep show {short}\ntiltyard sweep cancel {short}", err=True
    )
