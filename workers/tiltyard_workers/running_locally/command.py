"""`tiltyard run`: an entry point here and now, for development."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tiltyard.archive.packing import MADE_HERE
from tiltyard.cli import exits
from tiltyard.cli.options import AsJson, pairs
from tiltyard.cli.show import lasted, on_terminal, print_json, safe
from tiltyard.wire.jobs import JobState
from tiltyard.wire.problems import Problem
from tiltyard_workers.running_locally.checks import Ready, made_ready
from tiltyard_workers.running_locally.prefect_here import prefect_here, wait_for
from tiltyard_workers.running_locally.project import Refused, told
from tiltyard_workers.running_locally.running import run_command
from tiltyard_workers.running_locally.showing import Shown
from tiltyard_workers.supervisor.result import Result

CODES = {JobState.succeeded: exits.OK, JobState.cancelled: exits.INTERRUPTED}


def run(
    path: Annotated[
        Path, typer.Argument(exists=True, help="A folder with an MLproject, or a graph (.yaml).")
    ],
    entry: Annotated[str, typer.Option("-e", "--entry", help="The entry point.")] = "main",
    parameter: Annotated[
        list[str] | None,
        typer.Option("-P", "--parameter", metavar="NAME=VALUE", help="A parameter's value; repeat."),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option("--plugin", exists=True, help="A plugin's folder, archive or wheel; repeat."),
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option(help="Where artifacts are copied; they stay in the project if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an entry point on this machine, without a testbed.

    It is checked as it is when it is submitted, and tells what a job tells. It runs where it lies, behind no fence: for what
    you wrote or trust.
    """
    values = pairs(parameter, "-P")
    with TemporaryDirectory(prefix="tiltyard-run-") as made:
        temporary = Path(made)
        try:
            ready = made_ready(path, entry, values=values, plugins=plugin or [], temporary=temporary)
        except Refused as refused:
            _tell_problems(refused, as_json=as_json)
            raise typer.Exit(exits.USAGE) from None
        project = ready.project
        new = not project.outputs.exists()
        result = _run(ready, temporary, as_json=as_json)
    if new and project.outputs.is_dir():
        with suppress(OSError):
            (project.outputs / MADE_HERE).touch()  # the next `tiltyard submit` leaves it out
    if outputs is not None and project.outputs.is_dir():
        shutil.copytree(
            project.outputs, outputs, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MADE_HERE)
        )
    raise typer.Exit(CODES.get(result.state, exits.FAILED))


def _run(ready: Ready, temporary: Path, *, as_json: bool) -> Result:
    project = ready.project
    shown = Shown(project.folder.resolve(), as_json=as_json)
    with prefect_here() as url:
        if project.entry_point.graph is not None:
            _await_prefect(url)
        began = time.monotonic()
        result = run_command(
            ready.command,
            project.folder,
            plugins=ready.folders[:-1],
            prefect_url=url,
            temporary=temporary,
            shown=shown,
        )
    if as_json:
        shown.tell("state", _ending(result))
    else:
        why = f": {safe(result.message)}" if result.message and result.state is not JobState.succeeded else ""
        typer.echo(f"{result.state.value} after {lasted(time.monotonic() - began)}{why}", err=True)
    return result


def _ending(result: Result) -> dict[str, object]:
    said = {"reason": result.reason, "message": result.message, "exit_code": result.exit_code}
    return {"state": result.state.value, **{key: value for key, value in said.items() if value is not None}}


def _await_prefect(url: str) -> None:
    """Say what is waited for, while the server starts."""
    before = "\r" if on_terminal(err=True) else ""
    said: list[float] = []

    def say(seconds: float) -> None:
        said.append(seconds)
        if before or len(said) == 1:
            words = (
                f"{before}Waiting for Prefect's server to start; it stays for ten minutes ... {seconds:.0f} s"
            )
            typer.echo(words, err=True, nl=not before)

    try:
        wait_for(url, say)
    except OSError as error:
        typer.echo(f"tiltyard: {error}", err=True)
        raise typer.Exit(exits.FAILED) from error
    if before and said:
        typer.echo("\r\033[K", err=True, nl=False)


def _tell_problems(refused: Refused, *, as_json: bool) -> None:
    if as_json:
        count = len(refused.problems)
        print_json(
            Problem(
                title="This cannot be run",
                status=422,
                code="invalid_submission",
                detail=f"{count} problem{'s' * (count > 1)}",
                errors=refused.problems,
            )
        )
        return
    for one in refused.problems:
        typer.echo(f"tiltyard: {safe(told(one))}", err=True)
