"""`tiltyard model`: the registry of models, which is MLflow's."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, group, pairs
from tiltyard.cli.show import age, as_plain, on_terminal, print_json, print_table, safe, size
from tiltyard.wire.models import Model, ModelVersion

model = group("Register, find and fetch models: versions of what jobs trained.")

Named = Annotated[str, typer.Argument(metavar="NAME", help="The model's name.")]
NamedVersion = Annotated[
    str, typer.Argument(metavar="NAME/VERSION", help="A version: NAME/3, or NAME@ALIAS.")
]
TagOptions = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A tag; repeat.")]


@model.command("ls")
def ls(
    search: Annotated[str | None, typer.Argument(help="Only models whose name holds this.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the models."""
    with connected(as_json=as_json) as client:
        found = list(client.models(search=search))
    if as_json:
        print_json(as_plain(found))
        return
    rows = (
        [one.name, one.latest or "-", _aliases(one), age(one.updated_at), one.description] for one in found
    )
    columns = ("MODEL", "NEWEST", "ALIASES", "CHANGED", "DESCRIPTION")
    print_table(
        columns, rows, empty="There are no models: `tiltyard model register NAME JOB PATH` makes one."
    )


@model.command("show")
def show(
    name: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="A model, NAME/3 or NAME@ALIAS.")],
    as_json: AsJson = False,
) -> None:
    """Show a model and its versions, or one version: where it comes from, its signature, its job's metrics."""
    found, version = _parsed(name)
    with connected(as_json=as_json) as client:
        if version is not None:
            one = client.model_version(found, version)
            print_json(one) if as_json else _show_version(one)
            return
        told, versions = client.model(found), list(client.model_versions(found))
    if as_json:
        print_json({**as_plain(told), "versions": as_plain(versions)})
        return
    _show_model(told, versions)


@model.command("register")
def register(
    name: Named,
    job: Annotated[str, typer.Argument(metavar="ID", help="The job's id, or the beginning of it.")],
    path: Annotated[
        str,
        typer.Argument(
            help="A file or folder that it left, or the name of a model that it logged to MLflow."
        ),
    ],
    alias: Annotated[
        list[str] | None, typer.Option("--alias", help="An alias that stands for it from now on; repeat.")
    ] = None,
    tag: TagOptions = None,
    description: Annotated[str, typer.Option(help="What is to be known of it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a job's artifact the next version of a model; prints NAME/VERSION."""
    tags = pairs(tag, "--tag")
    with connected(as_json=as_json) as client:
        made = client.register_model(name, job, path, description=description, tags=tags, aliases=alias or ())
    print_json(made) if as_json else typer.echo(f"{made.model}/{made.version}")


@model.command("alias")
def alias(
    name: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="NAME/3; NAME alone with --remove.")],
    alias: Annotated[str, typer.Argument(help="The alias, such as champion.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let an alias stand for a version. Jobs that were submitted before keep the version that they got."""
    found, version = _parsed(name)
    if remove == (version is not None):
        raise typer.BadParameter("write NAME/VERSION, or NAME and --remove", param_hint="NAME[/VERSION]")
    with connected(as_json=as_json) as client:
        if version is None:
            client.delete_model_alias(found, alias)
            told = client.model(found)
        else:
            number = client.model_version(found, version).version
            told = client.set_model_alias(found, alias, number)
    print_json(told) if as_json else typer.echo(f"{told.name}: {_aliases(told) or 'no aliases'}", err=True)


@model.command("rm")
def rm(
    name: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", help="A version, or with --all a model.")],
    every: Annotated[bool, typer.Option("--all", help="The model with all its versions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a version, or a model with all of them, from the registry; their files stay with their runs."""
    found, version = _parsed(name)
    if every == (version is not None):
        raise typer.BadParameter("write NAME/VERSION, or NAME and --all", param_hint="NAME[/VERSION]")
    with connected(as_json=as_json) as client:
        client.delete_model(found) if version is None else client.delete_model_version(found, version)
    if as_json:
        print_json({"model": found, "version": version, "deleted": True})


@model.command("get")
def get(
    name: NamedVersion,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A new folder; NAME-VERSION if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a version's files into a new folder; prints where it is. Their digest is checked."""
    from tiltyard.archive.plain_names import plain_name  # noqa: PLC0415 - as it is used

    found, version = _parsed(name)
    if version is None:
        raise typer.BadParameter("write NAME/VERSION or NAME@ALIAS", param_hint="NAME/VERSION")
    with connected(as_json=as_json) as client:
        number = client.model_version(found, version).version
        saved = client.fetch_model(found, number, output or Path(plain_name(f"{found}-{number}")))
    if as_json:
        print_json(str(saved))
        return
    typer.echo(safe(str(saved)) if on_terminal() else str(saved))


def _parsed(text: str) -> tuple[str, str | None]:
    """A model's name, and the version behind a slash or the alias behind an `@`, if one is given."""
    text = text.removeprefix("model:")
    name, slash, version = text.rpartition("/")
    if slash:
        if not name or "/" in name or not version.isdigit():
            said = f"{text!r} names no version: a name holds no slash, and a version is a number"
            raise typer.BadParameter(said, param_hint="NAME/VERSION")
        return name, version
    name, at, alias_ = text.rpartition("@")
    return (name, f"@{alias_}") if at and name and alias_ else (text, None)


def _aliases(told: Model) -> str:
    return ", ".join(f"{name}: {version}" for name, version in sorted(told.aliases.items()))


def _show_model(told: Model, versions: list[ModelVersion]) -> None:
    if on_terminal():
        typer.echo(safe(f"{told.name}: {told.description}" if told.description else told.name))
    rows = (
        [
            one.version,
            ", ".join(one.aliases),
            one.job or "-",
            one.path or "-",
            age(one.created_at),
            " ".join(f"{name}={value:g}" for name, value in sorted(one.metrics.items())[:3]),
        ]
        for one in versions
    )
    print_table(("VERSION", "ALIASES", "JOB", "PATH", "AGE", "METRICS"), rows, empty="It has no versions.")


def _show_version(one: ModelVersion) -> None:
    shown = safe if on_terminal() else str
    aliases = f" ({', '.join(one.aliases)})" if one.aliases else ""
    typer.echo(shown(f"{one.model}/{one.version}{aliases}"))
    for label, text in (
        ("", one.description),
        ("job: ", one.job),
        ("path: ", one.path),
        ("run: ", one.run_id),
        ("source: ", one.source),
        ("sha256: ", one.sha256),
        ("files: ", None if one.files is None else f"{one.files}, {size(one.size or 0)}"),
        ("flavors: ", ", ".join(one.flavors)),
        ("signature: ", json.dumps(one.signature) if one.signature else None),
        ("tags: ", ", ".join(f"{name}={value}" for name, value in sorted(one.tags.items()))),
    ):
        if text:
            typer.echo(shown(f"{label}{text}"))
    if one.metrics:
        rows = ([name, f"{value:g}"] for name, value in sorted(one.metrics.items()))
        print_table(("METRIC", "VALUE"), rows, empty="")
