"""`tiltyard db` and `tiltyard token`: what an operator does with the database itself."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard_orchestrator.settings import name_driver
from tiltyard_orchestrator.storage import migrate
from tiltyard_orchestrator.storage.access import tokens
from tiltyard_orchestrator.storage.database import UNAVAILABLE, Database

Answer = TypeVar("Answer")
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

db = typer.Typer(no_args_is_help=True, help="Migrate the database that TILTYARD_DATABASE_URL names.")
token = typer.Typer(no_args_is_help=True, help="Make, list and revoke tokens, in the database itself.")


class _Database(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TILTYARD_", extra="ignore")

    database_url: SecretStr


def _stop(message: str) -> NoReturn:
    typer.echo(f"tiltyard: {message}", err=True)
    raise typer.Exit(1)


def _url() -> str:
    try:
        return name_driver(_Database().database_url.get_secret_value())
    except ValidationError:
        _stop("set TILTYARD_DATABASE_URL, such as postgresql://tiltyard:PASSWORD@HOST/tiltyard")
    except ValueError as error:
        _stop(f"TILTYARD_DATABASE_URL: {error}")


def _run(work: Callable[[str], Awaitable[Answer]]) -> Answer:
    url = _url()

    async def run() -> Answer:
        return await work(url)

    try:
        return asyncio.run(run())
    except migrate.NewerData as error:
        _stop(str(error))
    except (DBAPIError, *UNAVAILABLE) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        _stop(f"the database did not answer as it should: {reason}")


@db.command("upgrade")
def upgrade(as_json: AsJson = False) -> None:
    """Bring the tables to this program's version."""
    before = _run(migrate.upgrade)
    if as_json:
        typer.echo(json.dumps({"before": before.current, "now": before.head}))
    elif before.upgraded:
        typer.echo(f"The database is at version {before.head} already.")
    else:
        typer.echo(f"The database is at version {before.head} now (before: {before.current or 'empty'}).")


@db.command("version")
def version(as_json: AsJson = False) -> None:
    """Tell where the tables stand; exits 1 when `tiltyard db upgrade` is due."""
    at = _run(migrate.read_version)
    if as_json:
        typer.echo(json.dumps({"current": at.current, "head": at.head}))
    else:
        advice = "" if at.upgraded else "; run `tiltyard db upgrade`"
        typer.echo(f"The database is at {at.current or 'no version'}; this program wants {at.head}{advice}.")
    raise typer.Exit(0 if at.upgraded else 1)


async def _in_transaction(url: str, work: Callable[[AsyncSession], Awaitable[Answer]]) -> Answer:
    database = Database(url)
    try:
        async with database.transaction() as session:
            return await work(session)
    finally:
        await database.dispose()


@token.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is: a person or a host.")],
    role: Annotated[str, typer.Option(help="user or worker")] = "user",
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once."""
    if role not in {"user", "worker"}:
        raise typer.BadParameter(f"{role} is neither user nor worker", param_hint="--role")
    secret = tokens.new_token("tyw" if role == "worker" else "ty")

    async def add(session: AsyncSession) -> None:
        await tokens.add_token(
            session, name=name, role="worker" if role == "worker" else "user", token=secret
        )

    _run(lambda url: _in_transaction(url, add))
    typer.echo(json.dumps({"name": name, "role": role, "token": secret}) if as_json else secret)


@token.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List the tokens; what is kept of each is a hash."""
    rows = _run(lambda url: _in_transaction(url, tokens.list_tokens))
    if as_json:
        shown = [row.model_dump(mode="json", exclude={"sha256"}) for row in rows]
        typer.echo(json.dumps(shown))
        return
    for row in rows:
        standing = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else "good"
        typer.echo(f"{row.id}\t{row.role}\t{row.name}\t{standing}\tmade {row.created_at:%Y-%m-%d %H:%M}")


@token.command("revoke")
def revoke(token_id: Annotated[str, typer.Argument(help="The id that `tiltyard token ls` shows.")]) -> None:
    """Refuse a token from now on; open streams that used it are closed."""
    if not _run(lambda url: _in_transaction(url, lambda session: tokens.revoke_token(session, token_id))):
        _stop(f"there is no token {token_id}; `tiltyard token ls` shows those there are")
    typer.echo(f"{token_id} is revoked.", err=True)
