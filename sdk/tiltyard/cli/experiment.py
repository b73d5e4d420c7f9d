"""`tiltyard experiment`: the collections that jobs belong to."""

from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, group
from tiltyard.cli.show import age, as_plain, print_json, print_table

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
def rm(name: Name, as_json: AsJson = False) -> None:
    """Remove an experiment that has no jobs."""
    with connected(as_json=as_json) as client:
        client.delete_experiment(name)
        if as_json:
            print_json({"name": name, "removed": True})
