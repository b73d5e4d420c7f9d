"""`tiltyard import-dioptra`: reads a folder of Dioptra's, writes what can be pushed and submitted, and says how."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson
from tiltyard.cli.show import print_json, safe
from tiltyard.wire.plugins import PluginState
from tiltyard.wire.problems import Problem, ProblemItem
from tiltyard_workers.dioptra.description import Description, read_description
from tiltyard_workers.dioptra.entry_points import Archived, convert_entry_points
from tiltyard_workers.dioptra.plugins import Converted, convert_plugins


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What a folder became."""

    plugins: list[Converted]
    entry_points: list[Archived]


def import_dioptra(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="A folder with a dioptra.toml.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder, for plugins and entry points.")],
    push: Annotated[bool, typer.Option("--push", help="Push the plugins to the testbed as well.")] = False,
    queue: Annotated[
        str, typer.Option("-q", "--queue", help="Whose worker loads them, and runs the entry points.")
    ] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Make plugins and entry points of what a dioptra.toml describes. Python files are copied as they are.

    All or nothing: with a single problem, nothing is written and nothing pushed.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise typer.BadParameter(f"{out} is there already: name a new folder", param_hint="--out")
    found = convert(folder)
    if isinstance(found, list):
        _tell_problems(found, as_json=as_json)
        raise typer.Exit(exits.USAGE)
    write(found, out)
    if push:
        _push(found, out, queue, as_json=as_json)
    if as_json:
        plugins = [f"plugins/{one.source.name}" for one in found.plugins]
        print_json(
            {"plugins": plugins, "entry_points": [f"entry_points/{one.folder}" for one in found.entry_points]}
        )
    else:
        _conclude(found, out, queue, pushed=push)


def convert(folder: Path) -> Imported | list[ProblemItem]:
    """Return what a folder becomes, or every problem with it."""
    description = read_description(folder)
    if not isinstance(description, Description):
        return description
    plugins = convert_plugins(folder, description)
    problems = [one for one in plugins if isinstance(one, ProblemItem)]
    converted = [one for one in plugins if isinstance(one, Converted)]
    if problems:
        # What an entry point lacks of a plugin that could not be read is told by the plugin.
        return problems
    archived = convert_entry_points(folder, description, converted)
    problems = [one for one in archived if isinstance(one, ProblemItem)]
    entry_points = [one for one in archived if isinstance(one, Archived)]
    return problems or Imported(plugins=converted, entry_points=entry_points)


def write(found: Imported, out: Path) -> None:
    """Write everything at once: the folder appears when all of it is there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = Path(mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        for plugin in found.plugins:
            _write_files(plugin.files, part / "plugins" / plugin.source.name)
        for entry_point in found.entry_points:
            _write_files(entry_point.files, part / "entry_points" / entry_point.folder)
        part.chmod(0o755)
        part.replace(out)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _write_files(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _push(found: Imported, out: Path, queue: str, *, as_json: bool) -> None:
    with connected(as_json=as_json) as client:
        for one in found.plugins:
            pushed = client.push_plugin(out / "plugins" / one.source.name, queue=queue)
            if pushed.state is PluginState.checking:
                pushed = client.checked_plugin(pushed)
            if pushed.state is PluginState.refused:
                typer.echo(
                    f"tiltyard: {one.source.name} was refused:\n{safe(pushed.problem or '')}", err=True
                )
                raise typer.Exit(exits.REFUSED)
            typer.echo(f"Pushed {pushed.plugin} {pushed.version}", err=True)


def _conclude(found: Imported, out: Path, queue: str, *, pushed: bool) -> None:
    here = os.path.relpath(out)
    for one in found.plugins:
        if not pushed:
            typer.echo(f"tiltyard plugin push {here}/plugins/{one.source.name}")
    for entry_point in found.entry_points:
        needed = "".join(
            f" -P {one.name}={'artifact:JOB/PATH' if one.help and 'artifact:' in one.help else '...'}"
            for one in entry_point.needed
        )
        typer.echo(f"tiltyard submit {here}/entry_points/{entry_point.folder} -q {queue}{needed}")


def _tell_problems(problems: list[ProblemItem], *, as_json: bool) -> None:
    if as_json:
        count = len(problems)
        detail = f"{count} problem{'s' * (count > 1)}; nothing was written"
        print_json(
            Problem(
                title="This cannot be imported",
                status=422,
                code="invalid_import",
                detail=detail,
                errors=problems,
            )
        )
        return
    for one in problems:
        place = one.pointer.removeprefix("/") + (f":{one.line}:{one.column}" if one.line else "")
        typer.echo(f"tiltyard: {safe(place)}: {safe(one.detail)}", err=True)
    typer.echo("Nothing was written.", err=True)
