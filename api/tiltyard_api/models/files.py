"""The files of a model's version, as the items of an archive."""

from collections.abc import AsyncIterator, Callable

from tiltyard_api.transfer.packing import Item
from tiltyard_orchestrator.tracking.model_files import chunks_of, files_of
from tiltyard_orchestrator.tracking.server import TrackedFile, Tracking


async def model_items(tracking: Tracking, model: str, version: str) -> list[Item]:
    """The files of a model's version, by their paths in it. Raises what `files_of` does."""
    files = await files_of(tracking, model, version)

    def reading(file: TrackedFile) -> Callable[[], AsyncIterator[bytes]]:
        return lambda: chunks_of(tracking, file)

    return [Item(name=files.inside(file), size=file.size, read=reading(file)) for file in files.files]
