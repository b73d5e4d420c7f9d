"""A command's way to the testbed, and from every error to one clear line and an exit code."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from tiltyard.archive import ArchiveRefused
from tiltyard.cli import exits
from tiltyard.cli.show import safe
from tiltyard.client import Client, Refused, TiltyardError, Unreachable
from tiltyard.client.errors import Unauthorized, describe
from tiltyard.profile import NoTestbed, profile_path


@contextmanager
def connected(*, as_json: bool, refused: int = exits.REFUSED) -> Iterator[Client]:
    """The testbed that the environment or the profile names, for as long as a command runs.

    Args:
        as_json: a refusal is printed as the problem itself.
        refused: what a refusal exits with.
    """
    try:
        with Client(retry_for=5) as client:
            yield client
    except NoTestbed as error:
        _stop([str(error)], exits.USAGE)
    except Unreachable as error:
        _stop([str(error)], exits.UNREACHABLE)
    except Refused as error:
        if as_json:
            typer.echo(json.dumps(error.problem.model_dump(mode="json")), err=True)
            raise typer.Exit(refused) from error
        _stop([_bad_token()] if isinstance(error, Unauthorized) else describe(error.problem), refused)
    except (TiltyardError, ArchiveRefused, UnicodeEncodeError) as error:
        _stop([str(error)], refused)
    except BrokenPipeError:
        raise typer.Exit(exits.BROKEN_PIPE) from None
    except OSError as error:
        _stop([f"{error.filename or 'this machine'}: {error.strerror or error}"], refused)


def _stop(lines: list[str], code: int) -> None:
    for line in lines:
        typer.echo(f"tiltyard: {safe(line)}", err=True)
    raise typer.Exit(code)


def _bad_token() -> str:
    """What to look at when the testbed does not know who is calling."""
    source = "TILTYARD_TOKEN" if os.environ.get("TILTYARD_TOKEN") else str(profile_path())
    return f"The testbed does not know the token in {source}, or it was revoked."
