"""`tiltyard plugin`: building blocks of experiments, pushed while everything runs."""

from pathlib import Path
from typing import Annotated

import typer

from tiltyard.cli import exits, plugin_local
from tiltyard.cli.connected import connected
from tiltyard.cli.follow import walking_away
from tiltyard.cli.options import AsJson, group
from tiltyard.cli.show import age, as_plain, on_terminal, print_json, print_table, safe, size, write
from tiltyard.client import Client
from tiltyard.wire.plugins import Plugin, PluginState, PluginVersion

plugin = group("Push, list and choose plugins: packages of tasks.")
plugin.command("new")(plugin_local.new)
plugin.command("test")(plugin_local.try_out)

Name = Annotated[str, typer.Argument(help="The plugin's name, which is its package's.")]
Version = Annotated[str, typer.Argument(help="The version.")]


@plugin.command("push")
def push(
    path: Annotated[
        Path, typer.Argument(exists=True, help="The plugin's folder, or an archive or wheel of it.")
    ],
    name: Annotated[
        str | None, typer.Option(help="The package's name, where the files do not say it.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="The version, where the files do not say it.")] = None,
    queue: Annotated[
        str, typer.Option("-q", "--queue", help="Whose worker loads it, before anybody gets it.")
    ] = "cpu",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is ready or refused.")] = True,
    as_json: AsJson = False,
) -> None:
    """Publish a version; prints its name and version. It is loaded on a worker first, and then new jobs get it."""
    with connected(as_json=as_json) as client:
        found = client.push_plugin(path, name=name, version=version, queue=queue)
        if wait and found.state is PluginState.checking:
            found = _wait(client, found, as_json=as_json)
        if as_json:
            print_json(found)
        else:
            _conclude(found)
        if found.state is PluginState.refused:
            raise typer.Exit(exits.REFUSED)


def _wait(client: Client, pushed: PluginVersion, *, as_json: bool) -> PluginVersion:
    job = None if pushed.check is None else client.job(pushed.check)
    if job is not None and not as_json:
        waits = f": {job.pending_reason}" if job.pending_reason else ""
        typer.echo(f"Loading it on a worker of the queue {job.queue} (job {job.id}){safe(waits)}", err=True)
    with walking_away(pushed.check or "", f"plugin show {pushed.plugin} {pushed.version}"):
        return client.checked_plugin(pushed)


def _conclude(found: PluginVersion) -> None:
    if found.state is not PluginState.refused:
        typer.echo(f"{found.plugin}=={found.version}")
    match found.state:
        case PluginState.refused:
            write(f"{(found.problem or '').rstrip()}\n", err=True)
            told = f"tiltyard: {found.plugin} {found.version} was refused: it does not load"
        case PluginState.checking:
            told = f"It is being checked: tiltyard plugin show {found.plugin} {found.version}"
        case _ if found.current:
            told = f"It is the current version: new jobs that name {found.plugin} get it."
        case _:
            told = f"It is ready, and another version is current: tiltyard plugin activate {found.plugin} {found.version}"
    typer.echo(told, err=True)


@plugin.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List the plugins."""
    with connected(as_json=as_json) as client:
        found = list(client.plugins())
    if as_json:
        print_json(as_plain(found))
        return
    rows = (
        [
            one.name,
            one.current or "-",
            str(one.tasks),
            str(one.versions),
            age(one.updated_at),
            one.description,
        ]
        for one in found
    )
    columns = ("PLUGIN", "CURRENT", "TASKS", "VERSIONS", "CHANGED", "DESCRIPTION")
    print_table(columns, rows, empty="There are no plugins.")


@plugin.command("show")
def show(
    name: Name,
    version: Annotated[
        str | None, typer.Argument(help="The version; all versions where none is given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a plugin and its versions, or one version with its tasks, and why it was refused."""
    with connected(as_json=as_json) as client:
        if version is not None:
            one = client.plugin_version(name, version)
            print_json(one) if as_json else _show_version(one)
            return
        found, versions = client.plugin(name), list(client.plugin_versions(name))
    if as_json:
        print_json({**as_plain(found), "versions": as_plain(versions)})
        return
    _show_versions(found, versions)


def _show_versions(found: Plugin, versions: list[PluginVersion]) -> None:
    if on_terminal():
        typer.echo(safe(f"{found.name}: {found.description}" if found.description else found.name))
    rows = (
        [
            one.version,
            f"{one.state.value}{', current' if one.current else ''}",
            age(one.created_at),
            size(one.size) if on_terminal() else str(one.size),
            f"deprecated: {one.deprecated}" if one.deprecated else "",
            one.sha256[:12] if on_terminal() else one.sha256,
        ]
        for one in versions
    )
    print_table(("VERSION", "STATE", "AGE", "SIZE", "", "SHA256"), rows, empty="It has no versions.")


def _show_version(one: PluginVersion) -> None:
    shown = safe if on_terminal() else str
    current = ", the current version" if one.current else ""
    typer.echo(shown(f"{one.plugin} {one.version}: {one.state.value}{current}"))
    for label, text in (
        ("", one.description),
        ("deprecated: ", one.deprecated),
        ("requires: ", ", ".join(one.requires)),
        ("sha256: ", one.sha256),
        ("loaded by job: ", one.check),
        ("", one.problem),
    ):
        if text:
            typer.echo(shown(f"{label}{text}"))
    rows = ([task.name, task.path, task.summary] for task in one.tasks)
    if one.tasks:
        print_table(("TASK", "PATH", "SUMMARY"), rows, empty="")


@plugin.command("activate")
def activate(name: Name, version: Version, as_json: AsJson = False) -> None:
    """Give new jobs this version, until a newer one is pushed. Jobs that are there keep theirs."""
    with connected(as_json=as_json) as client:
        found = client.activate_plugin(name, version)
    print_json(found) if as_json else _conclude(found)


@plugin.command("deprecate")
def deprecate(
    name: Name,
    version: Version,
    why: Annotated[str | None, typer.Argument(help="Why, and what to use in its place.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="It may be used again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say that a version is not to be used any more; who submits a job with it is warned."""
    if undo == (why is not None):
        raise typer.BadParameter("say why, or --undo", param_hint="WHY")
    with connected(as_json=as_json) as client:
        found = client.deprecate_plugin(name, version, why)
    if as_json:
        print_json(found)
        return
    typer.echo(
        f"{name} {version} is {'deprecated' if found.deprecated else 'not deprecated any more'}.", err=True
    )


@plugin.command("delete")
def delete(
    name: Name,
    version: Annotated[str | None, typer.Argument(help="The version.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All versions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a version, or a plugin with all of them; refused while a job that has not ended needs it."""
    if every == (version is not None):
        raise typer.BadParameter("name one version, or say --all", param_hint="VERSION")
    with connected(as_json=as_json) as client:
        client.delete_plugin(name, version)
    if as_json:
        print_json({"plugin": name, "version": version, "deleted": True})


@plugin.command("get")
def get(
    name: Name,
    version: Version,
    output: Annotated[Path, typer.Option("-o", "--output", help="A file or a folder.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Fetch a version's files as a tar; prints where it is."""
    with connected(as_json=as_json) as client:
        saved = client.fetch_plugin(name, version, output)
    if as_json:
        print_json(str(saved))
        return
    typer.echo(safe(str(saved)) if on_terminal() else str(saved))
