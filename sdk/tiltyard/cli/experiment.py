"""`tiltyard experiment`: the collections that jobs belong to."""

from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, group
from tiltyard.cli.show import age, as_plain, many, on_terminal, print_json, print_table, safe

experiment = group("List, make and remove experiments.")

Name = Annotated[str, typer.Argument(help="The experiment's name.")]


@experiment.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List the experiments, and how their jobs stand."""
    with connected(as_json=as_json) as client:
        found = list(client.experiments())
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [
                one.name,
                " ".join(f"{count} {state}" for state, count in one.jobs.items()),
                age(one.created_at),
                one.description,
            ]
            for one in found
        )
        print_table(("EXPERIMENT", "JOBS", "AGE", "DESCRIPTION"), rows, empty="There are no experiments.")


@experiment.command("create")
def create(
    name: Name,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make an experiment. A submission makes its own when there is none."""
    with connected(as_json=as_json) as client:
        made = client.create_experiment(name, description=description)
        print_json(made) if as_json else typer.echo(made.name)


@experiment.command("rm")
def rm(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask, also where it has jobs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an experiment with its jobs, their history, files and runs. Refused while one has not ended."""
    with connected(as_json=as_json) as client:
        jobs = sum(client.experiment(name).jobs.values())
        if jobs and not yes:
            _ask(name, jobs)
        client.delete_experiment(name)
        if as_json:
            print_json({"name": name, "removed": True})


def _ask(name: str, jobs: int) -> None:
    if not on_terminal(err=True):
        told = f"tiltyard: {many(jobs, 'job')} would be removed, with history and files; say --yes"
        typer.echo(told, err=True)
        raise typer.Exit(exits.USAGE)
    question = f"Remove {safe(name)} and its {many(jobs, 'job')}, with history and files?"
    typer.confirm(question, abort=True, err=True)
