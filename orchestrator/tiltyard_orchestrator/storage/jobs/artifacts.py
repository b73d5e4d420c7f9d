"""Artifacts: a row for each file, written when its bytes are in the store; a file of an attempt has an event beside it.

What a caller adds to a job by hand is of epoch 0, beside what its newest attempt left. It replaces nothing: a path that
stands there already keeps its bytes, and an attempt that leaves a file of the same path later goes before it.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.events import EventKind
from tiltyard_orchestrator.artifacts.keys import UPLOADED, artifact_key
from tiltyard_orchestrator.storage.jobs.moves import append, lock_attempt
from tiltyard_orchestrator.storage.tables import ArtifactRow, JobRow


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A file that is in the store."""

    path: str
    size: int
    sha256: str
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Occupied:
    """Another file stands under this path."""

    sha256: str


@dataclass(frozen=True, kw_only=True)
class Most:
    """How much callers may add to a job."""

    files: int
    size: int
    """Of all of them, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Full:
    """Callers have added to a job what they may."""

    orphan: bool
    """Whether nothing names the bytes that were stored for it."""


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


async def add_artifact(
    session: AsyncSession, *, job: str, stored: Stored, most: Most
) -> Artifact | Occupied | Full | None:
    """Note a stored file that a caller adds to a job, once.

    Returns:
        The artifact; what stands there already, if it is another; that there is no room; None when the job is gone.
    """
    # Held until the commit, so that the job is not exported or deleted meanwhile, and that callers who add to it take turns:
    # each finds what was added while it sent its own.
    there = await session.scalar(
        select(col(JobRow.id)).where(col(JobRow.id) == job).with_for_update(key_share=True)
    )
    if there is None:
        return None
    if (found := await find_artifact(session, job, stored.path)) is not None:
        return found[0] if found[0].sha256 == stored.sha256 else Occupied(sha256=found[0].sha256)
    files, size = await added_so_far(session, job)
    if files >= most.files or size + stored.size > most.size:
        return Full(orphan=not await _is_added(session, job, stored.sha256))
    await session.execute(
        insert(ArtifactRow)
        .values(job_id=job, epoch=UPLOADED, attempt=0, **vars(stored))
        .on_conflict_do_nothing(index_elements=["job_id", "epoch", "path"])
    )
    row = await session.get_one(ArtifactRow, (job, UPLOADED, stored.path), populate_existing=True)
    return as_artifact(row) if row.sha256 == stored.sha256 else Occupied(sha256=row.sha256)


async def added_so_far(session: AsyncSession, job: str) -> tuple[int, int]:
    """How many files callers have added to a job, and of how many bytes."""
    query = select(func.count(), func.coalesce(func.sum(col(ArtifactRow.size)), 0))
    where = (col(ArtifactRow.job_id) == job, col(ArtifactRow.epoch) == UPLOADED)
    files, size = (await session.execute(query.where(*where))).one()
    return int(files), int(size)


async def _is_added(session: AsyncSession, job: str, sha256: str) -> bool:
    query = select(col(ArtifactRow.path)).where(
        col(ArtifactRow.job_id) == job, col(ArtifactRow.epoch) == UPLOADED, col(ArtifactRow.sha256) == sha256
    )
    return await session.scalar(query.limit(1)) is not None


async def list_artifacts(session: AsyncSession, job: str) -> list[Artifact]:
    """The files of a job's newest attempt that has any claim to them, and those that were added, by path."""
    return [artifact for artifact, _ in await list_stored(session, job)]


async def list_stored(session: AsyncSession, job: str, *, under: str = "") -> list[tuple[Artifact, str]]:
    """The same with their keys in the store; `under` a folder, where one is given."""
    rows = await session.scalars(
        select(ArtifactRow)
        .where(*await _newest(session, job), *_below(under))
        .order_by(col(ArtifactRow.path), col(ArtifactRow.epoch).desc())
    )
    found: dict[str, ArtifactRow] = {}
    for row in rows:
        found.setdefault(row.path, row)
    return [(as_artifact(row), _key(row)) for row in found.values()]


async def find_artifact(session: AsyncSession, job: str, path: str) -> tuple[Artifact, str] | None:
    """One file of a job, and its key in the store."""
    conditions = await _newest(session, job)
    row = (
        await session.scalars(
            select(ArtifactRow)
            .where(*conditions, col(ArtifactRow.path) == path)
            .order_by(col(ArtifactRow.epoch).desc())
            .limit(1)
        )
    ).one_or_none()
    return (as_artifact(row), _key(row)) if row else None


async def _newest(session: AsyncSession, job: str) -> list[ColumnElement[bool]]:
    # The result is the newest attempt's alone; what an attempt that was given up left behind is not of it.
    row = await session.get(JobRow, job)
    attempt = row.attempt if row else 0
    newest = (
        select(col(ArtifactRow.epoch))
        .where(
            col(ArtifactRow.job_id) == job,
            col(ArtifactRow.attempt) == attempt,
            col(ArtifactRow.epoch) != UPLOADED,
        )
        .order_by(col(ArtifactRow.epoch).desc())
        .limit(1)
        .scalar_subquery()
    )
    epoch = col(ArtifactRow.epoch)
    return [col(ArtifactRow.job_id) == job, or_(epoch == newest, epoch == UPLOADED)]


def _below(folder: str) -> list[ColumnElement[bool]]:
    return [col(ArtifactRow.path).startswith(f"{folder}/", autoescape=True)] if folder else []


def _key(row: ArtifactRow) -> str:
    return artifact_key(row.job_id, row.epoch, row.path, row.sha256)


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
