"""`tiltyard artifacts`: the files that a job left."""

from pathlib import Path
from typing import Annotated

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, JobId, group
from tiltyard.cli.show import as_plain, on_terminal, print_json, print_table, safe, size
from tiltyard.client import Client
from tiltyard.wire.jobs import Job

artifacts = group("List and fetch the files that a job left.")


@artifacts.command("ls")
def ls(job: JobId, as_json: AsJson = False) -> None:
    """List a job's files."""
    with connected(as_json=as_json) as client:
        found = client.artifacts(job)
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [item.path, size(item.size) if on_terminal() else str(item.size), item.media_type, item.sha256]
            for item in found
        )
        print_table(("PATH", "SIZE", "TYPE", "SHA256"), rows, empty="The job has left no files so far.")


@artifacts.command("get")
def get(
    job: JobId,
    path: Annotated[
        list[str] | None, typer.Argument(help="Paths as `artifacts ls` shows them; none: all files.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="A file for one path, or a folder; a folder named after the job if not given.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a job's files; prints where each is."""
    with connected(as_json=as_json) as client:
        found = client.job(job)
        if path and len(path) == 1:
            saved = [client.download(found, path[0], output or Path())]
        else:
            saved = _fetch_many(client, found, path, output or Path(found.id))
        if as_json:
            print_json([str(one) for one in saved])
            return
        for one in saved:
            typer.echo(safe(str(one)) if on_terminal() else str(one))


def _fetch_many(client: Client, job: Job, paths: list[str] | None, folder: Path) -> list[Path]:
    """Files under a folder, each at its own path; a path that would leave the folder is refused."""
    saved = []
    root = folder.resolve()
    for path in paths or [item.path for item in client.artifacts(job)]:
        target = (root / path).resolve()
        if not target.is_relative_to(root):
            typer.echo(
                f"tiltyard: {safe(path)} would be written outside {folder}; name it alone, with -o", err=True
            )
            raise typer.Exit(exits.REFUSED)
        saved.append(client.download(job, path, target))
    return saved
