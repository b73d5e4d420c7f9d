"""Artifacts: a row and an event for each file, written when its bytes are in the store."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.events import EventKind
from tiltyard_orchestrator.storage.moves import append, lock_attempt
from tiltyard_orchestrator.storage.tables import ArtifactRow, JobRow


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file that is in the store."""

    path: str
    size: int
    sha256: str
    media_type: str


def artifact_key(job: str, epoch: int, path: str) -> str:
    """Where the store keeps an artifact: attempts never write over each other's."""
    return f"{job}/{epoch}/{path}"


async def put_artifact(session: AsyncSession, *, job: str, epoch: int, stored: Stored) -> Artifact | None:
    """Note a stored file of a running attempt and tell its followers; a repeated one tells them nothing new.

    Returns:
        The artifact; None when the job is not this attempt's any more.
    """
    row = await lock_attempt(session, job, epoch)
    if row is None:
        return None
    before = await session.get(ArtifactRow, (job, epoch, stored.path))
    if before is not None and before.sha256 == stored.sha256:
        return as_artifact(before)
    values = {
        "attempt": row.attempt,
        "size": stored.size,
        "sha256": stored.sha256,
        "media_type": stored.media_type,
    }
    await session.execute(
        insert(ArtifactRow)
        .values(job_id=job, epoch=epoch, path=stored.path, **values)
        .on_conflict_do_update(index_elements=["job_id", "epoch", "path"], set_=values)
    )
    told = {
        "path": stored.path,
        "size": stored.size,
        "sha256": stored.sha256,
        "media_type": stored.media_type,
    }
    await append(session, row, [(EventKind.artifact, told, None)])
    return as_artifact(await session.get_one(ArtifactRow, (job, epoch, stored.path), populate_existing=True))


async def list_artifacts(session: AsyncSession, job: str) -> list[Artifact]:
    """The files of a job's newest attempt that has any claim to them, by path."""
    rows = await session.scalars(
        select(ArtifactRow).where(*await _newest(session, job)).order_by(col(ArtifactRow.path))
    )
    return [as_artifact(row) for row in rows]


async def find_artifact(session: AsyncSession, job: str, path: str) -> tuple[Artifact, str] | None:
    """One file of a job, and its key in the store."""
    conditions = await _newest(session, job)
    row = (
        await session.scalars(select(ArtifactRow).where(*conditions, col(ArtifactRow.path) == path))
    ).one_or_none()
    return (as_artifact(row), artifact_key(job, row.epoch, path)) if row else None


async def _newest(session: AsyncSession, job: str) -> list[ColumnElement[bool]]:
    # The result is the newest attempt's alone; what an attempt that was given up left behind is not of it.
    row = await session.get(JobRow, job)
    attempt = row.attempt if row else 0
    newest = (
        select(col(ArtifactRow.epoch))
        .where(col(ArtifactRow.job_id) == job, col(ArtifactRow.attempt) == attempt)
        .order_by(col(ArtifactRow.epoch).desc())
        .limit(1)
        .scalar_subquery()
    )
    return [col(ArtifactRow.job_id) == job, col(ArtifactRow.epoch) == newest]


def as_artifact(row: ArtifactRow) -> Artifact:
    """A row as callers see it."""
    return Artifact(
        path=row.path,
        size=row.size,
        sha256=row.sha256,
        media_type=row.media_type,
        attempt=row.attempt,
        created_at=row.created_at,
    )
