"""`tiltyard export` and `import`: an experiment with all that its jobs are, from one testbed to another."""

import tarfile
from pathlib import Path
from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.moving import moving
from tiltyard.cli.options import AsJson
from tiltyard.cli.show import many, print_json, safe, size
from tiltyard.wire.bundles import BundleImport, BundleIndex

INDEX = "bundle.json"


def export(
    experiment: Annotated[str, typer.Argument(help="The experiment.")],
    to: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="A file, or a folder to put it into; EXPERIMENT.tar if not given."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write an experiment's ended jobs, with manifests, histories, metrics and files, into one file; prints its path."""
    with connected(as_json=as_json) as client, moving(before="The gateway gathers the jobs") as shown:
        path = client.export_experiment(experiment, to or Path(), progress=shown.carried)
    index = _index(path)
    if as_json:
        print_json({"path": str(path), "jobs": index.jobs, "left_out": index.left_out})
        return
    typer.echo(str(path))
    typer.echo(
        f"{many(index.jobs, 'job')}, {size(path.stat().st_size)}.{_left_out(index.left_out)}", err=True
    )


def import_(
    bundle: Annotated[Path, typer.Argument(help="The file that `tiltyard export` wrote.")],
    name: Annotated[
        str | None, typer.Option("--as", help="What the experiment is to be called here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take in what `tiltyard export` wrote: all of its jobs or none. A file that was changed is refused."""
    if not bundle.is_file():
        raise typer.BadParameter(f"there is no file {bundle}", param_hint="BUNDLE")
    said = {"before": "Sending", "after": "Sent; the gateway checks and writes it"}
    with connected(as_json=as_json) as client, moving(**said) as shown:
        done = client.import_bundle(bundle, name=name, progress=shown.carried)
    if as_json:
        print_json(done)
        return
    if done.imported or name is None:
        typer.echo(done.experiment)
    typer.echo(_told(done), err=True)
    for pin in done.plugins_left:
        line = f"The plugin {pin.name} {pin.version} did not come: other files stand under its name, or the bundle has none."
        typer.echo(safe(line), err=True)


def _told(done: BundleImport) -> str:
    skipped = f" {done.skipped} {_was(done.skipped)} here already." if done.skipped else ""
    return f"{many(done.imported, 'job')} came.{skipped}{_left_out(done.left_out)}"


def _left_out(jobs: int) -> str:
    return f" {jobs} had not ended and {_was(jobs)} left out." if jobs else ""


def _was(jobs: int) -> str:
    return "was" if jobs == 1 else "were"


def _index(path: Path) -> BundleIndex:
    with tarfile.open(path) as bundle:
        file = bundle.extractfile(INDEX)
        assert file is not None, "it is a file"
        return BundleIndex.model_validate_json(file.read())
