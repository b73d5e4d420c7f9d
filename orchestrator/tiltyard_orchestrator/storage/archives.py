"""Archives: what was read in each. The bytes are in the store, under `archives/{sha256}`, before the row is written."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.archives import Archive, EntryPoint
from tiltyard_orchestrator.storage.tables import ArchiveRow


def archive_key(sha256: str) -> str:
    """Where the store keeps an archive."""
    return f"archives/{sha256}"


async def put_archive(session: AsyncSession, archive: Archive) -> tuple[Archive, bool]:
    """Note an archive; the same bytes are the same archive. Tells whether it is new."""
    made = await session.scalar(
        insert(ArchiveRow)
        .values(
            sha256=archive.sha256,
            size=archive.size,
            format=archive.format,
            files=archive.files,
            project=archive.project,
            name=archive.name,
            entry_points=[entry.model_dump(mode="json") for entry in archive.entry_points],
            uses=archive.uses,
        )
        .on_conflict_do_nothing(index_elements=["sha256"])
        .returning(col(ArchiveRow.sha256))
    )
    stored = await get_archive(session, archive.sha256)
    assert stored is not None, "it was there or was written above"
    return stored, made is not None


async def get_archive(session: AsyncSession, sha256: str) -> Archive | None:
    """One archive by its digest."""
    row = await session.get(ArchiveRow, sha256)
    if row is None:
        return None
    return Archive(
        sha256=row.sha256,
        size=row.size,
        format=row.format,
        files=row.files,
        project=row.project,
        name=row.name,
        entry_points=[EntryPoint.model_validate(entry) for entry in row.entry_points],
        uses=row.uses,
        created_at=row.created_at,
    )
