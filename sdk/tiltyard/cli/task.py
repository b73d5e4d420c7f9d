"""`tiltyard task`: what the plugins of a testbed offer, and where it can be used."""

from difflib import get_close_matches
from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, group
from tiltyard.cli.show import as_plain, on_terminal, print_json, print_table, safe
from tiltyard.plugins.shown import default_text, help_text, type_text
from tiltyard.wire.plugins import Kind, Task, TaskListing

task = group("Find tasks, and see what each takes and gives.")


@task.command("ls")
def ls(
    search: Annotated[
        str | None, typer.Option("-s", "--search", help="Words in its name, path, texts or tags.")
    ] = None,
    kind: Annotated[Kind | None, typer.Option("--type", help="With an input or output of this type.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag.")] = None,
    plugin: Annotated[str | None, typer.Option("-p", "--plugin", help="Only of this plugin.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the tasks of the plugins' current versions."""
    with connected(as_json=as_json) as client:
        found = list(client.tasks(search=search, type=kind.value if kind else None, tag=tag, plugin=plugin))
    if as_json:
        print_json(as_plain(found))
        return
    rows = ([one.task.name, one.task.path, _where(one), one.task.summary] for one in found)
    print_table(("TASK", "PATH", "QUEUES", "SUMMARY"), rows, empty="No task fits.")


@task.command("show")
def show(
    path: Annotated[str, typer.Argument(help="As `task ls` shows it, or the task's name.")],
    as_json: AsJson = False,
) -> None:
    """Show a task: inputs with types, defaults and help, outputs, and the queues that it can be used on."""
    with connected(as_json=as_json) as client:
        near = list(client.tasks(search=path)) or _like(path, list(client.tasks()))
    found = [one for one in near if one.task.path == path] or [one for one in near if one.task.name == path]
    match found:
        case [one]:
            print_json(one) if as_json else _show(one)
        case []:
            close = "; did you mean " + ", ".join(one.task.path for one in near[:5]) + "?" if near else ""
            _stop(f"no current version of a plugin has a task {path}{close}")
        case several:
            _stop(f"several tasks are called {path}: {', '.join(one.task.path for one in several)}")


def _like(path: str, known: list[TaskListing]) -> list[TaskListing]:
    """The tasks whose name is spelled almost so."""
    names = get_close_matches(path.rpartition(".")[2], {one.task.name for one in known})
    return [one for name in names for one in known if one.task.name == name]


def _show(one: TaskListing) -> None:
    shown = safe if on_terminal() else str
    found = one.task
    typer.echo(shown(f"{found.path}  ({found.name}, {found.plugin} {found.version})"))
    for text in (found.summary, found.description):
        if text:
            typer.echo(shown(f"\n{text}"))
    print_table(("", "NAME", "TYPE", "DEFAULT", "HELP"), _rows(found), empty="")
    if found.tags:
        typer.echo(shown(f"Tags: {', '.join(found.tags)}"))
    for queue in one.queues:
        can = {True: "yes", False: "no", None: "not known"}[queue.available]
        typer.echo(shown(f"Queue {queue.queue}: {can}{f' ({queue.why})' if queue.why else ''}"))


def _rows(found: Task) -> list[list[str]]:
    inputs = [
        ["in", one.name, type_text(one.type), default_text(one), help_text(one.help, one.type)]
        for one in found.inputs
    ]
    outputs = [
        ["out", one.name, type_text(one.type), "", help_text(one.help, one.type)] for one in found.outputs
    ]
    return inputs + outputs


def _where(one: TaskListing) -> str:
    """The queues that can load it; what is not known is not said."""
    can = [queue.queue for queue in one.queues if queue.available]
    return ", ".join(can) or ("none" if any(queue.available is False for queue in one.queues) else "?")


def _stop(told: str) -> None:
    typer.echo(f"tiltyard: {safe(told)}", err=True)
    raise typer.Exit(exits.REFUSED)
