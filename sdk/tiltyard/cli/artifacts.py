"""`tiltyard artifacts`: the files that a job left, and those that are added to it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tiltyard.cli import exits
from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, JobId, group
from tiltyard.cli.show import as_plain, local, on_terminal, print_json, print_table, safe, size
from tiltyard.client import Client
from tiltyard.wire.artifacts import LONGEST_LINK
from tiltyard.wire.jobs import Job

artifacts = group("List, fetch, add and share the files of a job.")

Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="A file for one path, or a folder; a folder named after the job if not given."
    ),
]


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
        list[str] | None,
        typer.Argument(help="Files or folders as `artifacts ls` shows them; none: all files."),
    ] = None,
    output: Output = None,
    everything: Annotated[bool, typer.Option("--all", help="All files, as without a path.")] = False,
    packed: Annotated[
        Literal["tar", "zip"] | None, typer.Option("--as", help="One archive of them, and not the files.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a job's files; prints where each is. Whatever their names, they stay in the folder that is named."""
    if everything and path:
        raise typer.BadParameter("name paths, or say --all", param_hint="PATH")
    with connected(as_json=as_json) as client:
        found = client.job(job)
        saved = (
            _packed(client, found, path, output, packed) if packed else _fetch(client, found, path, output)
        )
        if as_json:
            print_json([str(one) for one in saved])
            return
        for one in saved:
            typer.echo(safe(str(one)) if on_terminal() else str(one))


def _fetch(client: Client, job: Job, paths: list[str] | None, output: Path | None) -> list[Path]:
    if not paths:
        return list(client.fetch_artifacts(job, output or Path(job.id)).values())
    there = {item.path for item in client.artifacts(job)}
    if len(paths) == 1 and paths[0] in there:
        return [client.download(job, paths[0], output or Path())]
    if len(paths) == 1:
        return _fetch_folder(client, job, paths[0], output or Path(job.id))
    return _fetch_many(client, job, paths, there, output or Path(job.id))


def _fetch_many(client: Client, job: Job, paths: list[str], there: set[str], folder: Path) -> list[Path]:
    """Several files and folders, each at its own path under a folder."""
    from tiltyard.archive.plain_names import plain_paths  # noqa: PLC0415 - as it is used

    plain, saved = plain_paths([*there, *(path.strip("/") for path in paths)]), []
    for path in paths:
        target = folder / plain[path.strip("/")]
        if path in there:
            _stay_inside(folder, target, path)
            saved.append(client.download(job, path, target))
        else:
            saved += _fetch_folder(client, job, path, target)
    return saved


def _fetch_folder(client: Client, job: Job, path: str, folder: Path) -> list[Path]:
    return list(client.fetch_artifacts(job, folder, under=path).values())


def _stay_inside(folder: Path, target: Path, path: str) -> None:
    if not target.resolve().is_relative_to(folder.resolve()):
        typer.echo(
            f"tiltyard: {safe(path)} would be written outside {folder}; name it alone, with -o", err=True
        )
        raise typer.Exit(exits.REFUSED)


def _packed(
    client: Client, job: Job, paths: list[str] | None, output: Path | None, packing: Literal["tar", "zip"]
) -> list[Path]:
    if paths and len(paths) > 1:
        raise typer.BadParameter("one folder, or none for all files, makes an archive", param_hint="PATH")
    under = paths[0] if paths else ""
    return [client.pack_artifacts(job, output or Path(), under=under, packing=packing)]


@artifacts.command("put")
def put(
    job: JobId,
    file: Annotated[Path, typer.Argument(exists=True, help="The file, or a folder with all that is in it.")],
    path: Annotated[
        str | None, typer.Argument(help="Its path among the job's files; its own name if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Add a file or a folder to a job that runs or has ended; what is there is never replaced."""
    with connected(as_json=as_json) as client:
        added = [client.add_artifact(job, source, name) for source, name in _to_add(file, path)]
        if as_json:
            print_json(as_plain(added))
            return
        for one in added:
            typer.echo(safe(one.path) if on_terminal() else one.path)


def _to_add(file: Path, path: str | None) -> list[tuple[Path, str]]:
    name = (path or file.resolve().name).strip("/")
    if not file.is_dir():
        return [(file, name)]
    inside = sorted(one for one in file.rglob("*") if one.is_file() and not one.is_symlink())
    return [(one, f"{name}/{one.relative_to(file).as_posix()}") for one in inside]


@artifacts.command("link")
def link(
    job: JobId,
    path: Annotated[str, typer.Argument(help="The file's path, as `artifacts ls` shows it.")],
    seconds: Annotated[
        int, typer.Option(min=1, max=LONGEST_LINK, help="How long it is good for, an hour at most.")
    ] = 600,
    as_json: AsJson = False,
) -> None:
    """Print an address where anybody who has it can fetch one file for a while, without a token."""
    with connected(as_json=as_json) as client:
        made = client.link_artifact(job, path, seconds=seconds)
    if as_json:
        print_json(made)
        return
    typer.echo(made.url)
    typer.echo(f"It is good until {local(made.expires_at)}.", err=True)
