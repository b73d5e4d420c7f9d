"""Browsers that showed a ticket: each has a secret in a cookie, which is kept as its hash and ends by itself."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard_orchestrator.storage.access.tokens import Bearer, fingerprint, new_token
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import BrowserSessionRow, TokenRow

SESSION_SECONDS = 12 * 3600.0


async def open_session(session: AsyncSession, bearer: Bearer) -> str:
    """Let a browser in for half a day; gives the secret for its cookie."""
    await session.execute(delete(BrowserSessionRow).where(col(BrowserSessionRow.expires_at) < func.now()))
    secret = new_token("tyb")
    await session.execute(
        insert(BrowserSessionRow).values(
            sha256=fingerprint(secret), token_id=bearer.id, expires_at=func.now() + seconds(SESSION_SECONDS)
        )
    )
    return secret


async def is_open(session: AsyncSession, secret_sha256: str) -> bool:
    """Whether a browser may still come in: its session has not ended, and the token behind it is good."""
    found = await session.scalar(
        select(col(TokenRow.id))
        .join(BrowserSessionRow, col(BrowserSessionRow.token_id) == col(TokenRow.id))
        .where(col(BrowserSessionRow.sha256) == secret_sha256, col(BrowserSessionRow.expires_at) > func.now())
        .where(col(TokenRow.revoked_at).is_(None))
    )
    return found is not None
