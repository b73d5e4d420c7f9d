"""The options that several verbs share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, or the beginning of it.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or the beginnings of them.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job has ended.")]


def group(text: str) -> typer.Typer:
    """A verb that has verbs."""
    return typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, help=text)
