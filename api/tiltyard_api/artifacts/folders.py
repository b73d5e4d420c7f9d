"""A folder of artifacts, as the items of an archive."""

from collections.abc import AsyncIterator, Callable

from tiltyard_api.parts import Parts
from tiltyard_api.transfer.packing import Item
from tiltyard_orchestrator.storage.jobs.inputs import Files


def folder_items(here: Parts, files: Files, folder: str) -> list[Item]:
    """The files of a folder in the store, by their paths below it."""

    def reading(key: str) -> Callable[[], AsyncIterator[bytes]]:
        return lambda: here.store.read(key)

    return [
        Item(
            name=artifact.path.removeprefix(f"{folder}/") if folder else artifact.path,
            size=artifact.size,
            read=reading(key),
        )
        for artifact, key in files
    ]
