"""`tiltyard plugin new` and `tiltyard plugin test`: a plugin on its author's machine, before any testbed sees it."""

from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.options import AsJson
from tiltyard.cli.show import as_plain, on_terminal, print_json, print_table, safe
from tiltyard.plugins.names import name_problems
from tiltyard.plugins.reading import PluginSource, read_plugin
from tiltyard.plugins.shown import default_text, help_text, type_text
from tiltyard.plugins.starter import starter
from tiltyard.plugins.trial import NO_PYTEST, NONE, PASSED, laid_out, load, run_tests
from tiltyard.wire.plugins import Task
from tiltyard.wire.problems import ProblemItem


def new(
    name: Annotated[str, typer.Argument(help="What it is imported by: lower-case letters, digits and `_`.")],
    into: Annotated[Path, typer.Option("--into", help="The folder that it is made in.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Make a small plugin that works: a task, its test, and a graph that uses it."""
    if problems := name_problems(name, libraries=packages_distributions()):
        _refuse(problems, as_json=as_json)
    folder = into / name
    files = starter(name)
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        _stop(f"{folder} is there already; give another name, or another place with --into")
    except OSError as error:
        _stop(f"{error.filename or folder}: {error.strerror or error}")
    if as_json:
        print_json({"folder": str(folder), "files": list(files)})
        return
    typer.echo(safe(str(folder)) if on_terminal() else str(folder))
    steps = (
        f"  tiltyard plugin test {folder}",
        f"  tiltyard plugin push {folder}",
        f"  tiltyard submit {folder / 'example.yaml'} --follow",
    )
    typer.echo(
        f"A plugin with one task, {name}/poisoning.py. Next:\n" + "\n".join(map(safe, steps)), err=True
    )


def try_out(
    path: Annotated[
        Path, typer.Argument(exists=True, help="The plugin's folder, or an archive or wheel of it.")
    ],
    name: Annotated[
        str | None, typer.Option(help="The package's name, where the files do not say it.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="The version, where the files do not say it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read a plugin as a push does, load it in a process of its own, and run its tests."""
    source = read_plugin(path, name=name, version=version)
    if isinstance(source, list):
        _refuse(source, path, as_json=as_json)
        return
    if not as_json:
        typer.echo(f"{source.name} {source.version}: what it offers", err=True)
        _show(source.tasks)
    with laid_out(source, path) as trial:
        lines: list[str] = []
        loads = load(trial, lines.append if as_json else _print_line)
        tests = run_tests(trial, quiet=as_json)
    passed = loads and tests in (PASSED, NONE, NO_PYTEST)
    if as_json:
        found = {"plugin": source.name, "version": source.version, "tasks": as_plain(source.tasks)}
        print_json({**found, "problems": [], "loads": loads, "check": lines, "tests": tests})
    else:
        _conclude(source, path, loads=loads, tests=tests)
    if not passed:
        raise typer.Exit(exits.REFUSED)


test = try_out


def _show(tasks: list[Task]) -> None:
    """Inputs and outputs of every task, one a line."""
    rows = []
    for task in tasks:
        name = task.name
        for one in task.inputs:
            rows.append(
                (name, "in", one.name, type_text(one.type), default_text(one), help_text(one.help, one.type))
            )
            name = task.name if not on_terminal() else ""
        for given in task.outputs:
            rows.append(
                (name, "out", given.name, type_text(given.type), "", help_text(given.help, given.type))
            )
            name = task.name if not on_terminal() else ""
        if not task.inputs and not task.outputs:
            rows.append((name, "", "", "", "", task.summary))
    print_table(("TASK", "", "NAME", "TYPE", "DEFAULT", "HELP"), rows, empty="It has no tasks.")


def _print_line(line: str) -> None:
    typer.echo(safe(line) if on_terminal() else line)


def _conclude(source: PluginSource, path: Path, *, loads: bool, tests: str) -> None:
    """Say what to do next."""
    if tests == NONE:
        typer.echo("It has no tests: pytest runs files named test_*.py beside the package.", err=True)
    if tests == NO_PYTEST:
        typer.echo("Its tests were not run, since pytest is not installed here: pip install pytest", err=True)
    if not loads:
        typer.echo(
            f"tiltyard: {source.name} does not load here; a testbed would not take it either", err=True
        )
    elif tests not in (PASSED, NONE, NO_PYTEST):
        typer.echo(f"tiltyard: {source.name} loads, and its tests fail", err=True)
    else:
        typer.echo(f"It is ready to be pushed: tiltyard plugin push {safe(str(path))}", err=True)


def _refuse(problems: list[ProblemItem], path: Path | None = None, *, as_json: bool) -> None:
    """Print all that is wrong, each by its place, and end."""
    if as_json:
        print_json({"problems": as_plain(problems)})
        raise typer.Exit(exits.REFUSED)
    for item in problems:
        place = item.pointer.lstrip("/")
        where = str(path / place if place and path.is_dir() else path) if path else ""
        if path and place and not path.is_dir():
            where = f"{path}: {place}"
        if item.line is not None:
            where += f":{item.line}" + (f":{item.column}" if item.column is not None else "")
        typer.echo(
            safe(f"{where}: {item.detail} ({item.code})" if where else f"tiltyard: {item.detail}"), err=True
        )
    raise typer.Exit(exits.REFUSED)


def _stop(told: str) -> None:
    typer.echo(f"tiltyard: {safe(told)}", err=True)
    raise typer.Exit(exits.REFUSED)
