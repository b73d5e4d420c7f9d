"""Tokens: kept as hashes, shown once when they are made, revoked by time stamp. An attempt's token lives on its job row."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import ExperimentRow, JobRow, TicketRow, TokenRow

Role = Literal["user", "worker"]
TICKET_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Bearer:
    """Whom a token stands for."""

    id: str
    name: str
    role: Role


@dataclass(frozen=True, kw_only=True)
class RunningAttempt:
    """Which job an attempt's token holds, and where that is recorded."""

    job: str
    experiment: str
    """Its name."""
    mlflow_experiment_id: str | None


def new_token(kind: str = "ty") -> str:
    """A secret of 256 random bits, with a prefix that secret scanners can look for."""
    return f"{kind}_{secrets.token_urlsafe(32)}"


def fingerprint(token: str) -> str:
    """What is kept of a token. It is random and long, so a plain hash cannot be turned back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def add_token(session: AsyncSession, *, name: str, role: Role, token: str) -> None:
    """Make a token known; one that is known stays as it is."""
    await session.execute(
        insert(TokenRow)
        .values(id=secrets.token_hex(6), name=name, role=role, sha256=fingerprint(token))
        .on_conflict_do_nothing(index_elements=["sha256"])
    )


async def find_bearer(session: AsyncSession, token_sha256: str) -> Bearer | None:
    """Whom a token stands for; None when it is unknown or revoked."""
    row = (
        await session.scalars(
            select(TokenRow).where(col(TokenRow.sha256) == token_sha256, col(TokenRow.revoked_at).is_(None))
        )
    ).one_or_none()
    return _bearer(row) if row else None


async def judge_attempt(
    session: AsyncSession, *, job: str, epoch: int, token_sha256: str
) -> Literal["holds", "superseded", "wrong"]:
    """Whether a token is that of the newest attempt; an older attempt's is told apart from one that never was any's.

    The newest attempt's token stays good after its end, so that a result whose answer was lost can be sent again.
    """
    row = await session.get(JobRow, job)
    if row is None or epoch > row.epoch or row.token_sha256 is None:
        return "wrong"
    if epoch < row.epoch:
        return "superseded"
    return "holds" if secrets.compare_digest(row.token_sha256, token_sha256) else "wrong"


async def find_attempt(session: AsyncSession, token_sha256: str) -> RunningAttempt | None:
    """The attempt that runs with this token; None when none does."""
    found = (
        await session.execute(
            select(col(JobRow.id), col(ExperimentRow.name), col(ExperimentRow.mlflow_experiment_id))
            .join(ExperimentRow, col(ExperimentRow.id) == col(JobRow.experiment_id))
            .where(col(JobRow.token_sha256) == token_sha256, col(JobRow.state) == JobState.running)
        )
    ).one_or_none()
    if found is None:
        return None
    return RunningAttempt(job=found[0], experiment=found[1], mlflow_experiment_id=found[2])


async def list_tokens(session: AsyncSession) -> list[TokenRow]:
    """Every token that was ever made, oldest first."""
    return list((await session.scalars(select(TokenRow).order_by(col(TokenRow.created_at)))).all())


async def revoke_token(session: AsyncSession, token_id: str) -> bool:
    """Refuse a token from now on. Tells whether there is one of this id."""
    changed = await session.scalar(
        update(TokenRow)
        .where(col(TokenRow.id) == token_id)
        .values(revoked_at=func.coalesce(TokenRow.revoked_at, func.now()))
        .returning(col(TokenRow.id))
    )
    return changed is not None


async def create_ticket(session: AsyncSession, bearer: Bearer) -> str:
    """A ticket that opens one WebSocket within half a minute."""
    await session.execute(delete(TicketRow).where(col(TicketRow.expires_at) < func.now()))
    ticket = new_token("tyt")
    await session.execute(
        insert(TicketRow).values(
            sha256=fingerprint(ticket), token_id=bearer.id, expires_at=func.now() + seconds(TICKET_SECONDS)
        )
    )
    return ticket


async def redeem_ticket(session: AsyncSession, ticket: str) -> Bearer | None:
    """Whom a ticket stands for, once."""
    used = (
        await session.execute(
            delete(TicketRow)
            .where(col(TicketRow.sha256) == fingerprint(ticket))
            .returning(col(TicketRow.token_id), col(TicketRow.expires_at) > func.now())
        )
    ).one_or_none()
    if used is None or not used[1]:
        return None
    row = await session.get(TokenRow, used[0])
    if row is None or row.revoked_at is not None:
        return None
    return _bearer(row)


def _bearer(row: TokenRow) -> Bearer:
    return Bearer(id=row.id, name=row.name, role="worker" if row.role == "worker" else "user")
