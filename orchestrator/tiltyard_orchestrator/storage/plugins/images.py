"""What the workers of each queue can import, as the live ones among them said when they started."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.workers import WorkerState
from tiltyard_orchestrator.domain.images import Image
from tiltyard_orchestrator.storage.jobs.moves import seconds
from tiltyard_orchestrator.storage.tables import WorkerRow


async def live_images(session: AsyncSession, *, lost_after: float) -> dict[str, list[Image]]:
    """The images of each queue's live workers; those that say the same are one. Who has said nothing counts for nothing."""
    found = await session.execute(
        select(col(WorkerRow.queue), col(WorkerRow.packages), col(WorkerRow.modules))
        .where(col(WorkerRow.last_seen) > func.now() - seconds(lost_after))
        .where(col(WorkerRow.state) != WorkerState.stopped.value)
        .where(col(WorkerRow.modules).is_not(None), col(WorkerRow.packages).is_not(None))
        .distinct()
    )
    images: dict[str, list[Image]] = {}
    for queue, packages, modules in found:
        assert packages is not None, "the statement asks for it"
        assert modules is not None, "the statement asks for it"
        images.setdefault(queue, []).append(Image(packages=packages, modules=frozenset(modules)))
    return images
