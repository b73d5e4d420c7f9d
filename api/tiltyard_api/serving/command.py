"""`tiltyard gateway`: the gateway as a process."""

from typing import Annotated

import typer
from pydantic import ValidationError

from tiltyard_orchestrator.settings import Settings


def gateway(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 where it is not set.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8420 where it is not set.")] = None,
) -> None:
    """Run the gateway with its keeper. Everything else comes from TILTYARD_ settings in the environment."""
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]  # the rest comes from the environment
    except ValidationError as error:
        for problem in error.errors():
            name = "".join(f"TILTYARD_{part}".upper() for part in problem["loc"])
            typer.echo(
                f"tiltyard gateway: {name or 'settings'}: {problem['msg'].removeprefix('Value error, ')}",
                err=True,
            )
        raise typer.Exit(2) from None
    from tiltyard_api.serving.serve import serve  # noqa: PLC0415 - `tiltyard gateway --help` needs no server

    raise typer.Exit(serve(settings))
