"""`tiltyard history`: the jobs that ended long ago and left the tables, and having more of them leave."""

import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, group
from tiltyard.cli.show import as_plain, local, on_terminal, print_json, print_table, safe, size

history = group("List and read the jobs that were exported; export those that ended long ago.")

WholeId = Annotated[str, typer.Argument(metavar="ID", help="The job's whole id.")]


@history.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List the exported jobs, those first that ended last."""
    with connected(as_json=as_json) as client:
        found = list(client.exported())
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [
                one.id,
                one.state.value,
                one.experiment,
                one.entry_point,
                local(one.finished_at),
                str(one.events),
                size(one.size),
            ]
            for one in found
        )
        columns = ("ID", "STATE", "EXPERIMENT", "ENTRY", "FINISHED", "EVENTS", "SIZE")
        print_table(columns, rows, empty="No job was exported yet.")


@history.command("show")
def show(job: WholeId) -> None:
    """Print an exported job's record: JSON lines, the job first, then its events in order, then its artifacts."""
    with connected(as_json=False) as client, TemporaryDirectory() as folder:
        path = client.record(job, folder)
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                typer.echo(safe(line.rstrip("\n")) if on_terminal() else line.rstrip("\n"))


@history.command("get")
def get(
    job: WholeId,
    to: Annotated[Path, typer.Option("-o", "--to", help="A file, or a folder to put it into.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Fetch an exported job's record as it is: JSON lines packed with gzip."""
    with connected(as_json=as_json) as client:
        path = client.record(job, to)
    typer.echo(json.dumps({"path": str(path)}) if as_json else str(path))


@history.command("prune")
def prune(
    older_than: Annotated[str, typer.Option(help="How long ago a job must have ended: 90d, 12h.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Export the jobs that ended longer ago than this, with their events, and take them out of the tables."""
    with connected(as_json=as_json) as client:
        done = client.prune(older_than=older_than, dry_run=dry_run)
        if as_json:
            print_json(done)
        elif dry_run:
            typer.echo(f"{done.matched} jobs would be exported.")
        else:
            typer.echo(f"{done.exported} jobs were exported; `tiltyard history ls` lists them.", err=True)
