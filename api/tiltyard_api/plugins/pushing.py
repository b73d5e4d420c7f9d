"""Pushing: from the bytes that came to a version that is written, with the job that is to load it."""

import asyncio
import hashlib
import secrets
from contextlib import suppress

from tiltyard.wire import JobState, ProblemItem
from tiltyard_api.http.problems import Refused, invalid
from tiltyard_api.parts import Parts
from tiltyard_api.plugins.checks import CHECK_ARCHIVE, CHECK_BYTES, check_of
from tiltyard_api.readers.messages import ReadPlugin
from tiltyard_api.transfer.upload import Upload
from tiltyard_orchestrator.artifacts.keep import keep
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed
from tiltyard_orchestrator.storage.archives import archive_key, put_archive
from tiltyard_orchestrator.storage.plugins.push import NewVersion, Pushed, VersionExists, push
from tiltyard_orchestrator.storage.plugins.read import plugin_key

LIBRARIES = frozenset({
    "art", "celery", "cv2", "jax", "keras", "kombu", "matplotlib", "mlflow", "numpy", "onnx", "onnxruntime",
    "packaging", "pandas", "pil", "prefect", "psutil", "pydantic", "scipy", "skimage", "sklearn", "tensorflow",
    "torch", "torchaudio", "torchvision", "transformers", "xgboost", "yaml",
})  # fmt: skip
"""What no plugin may be called, also where no worker has said yet what it can import."""


async def read_upload(here: Parts, upload: Upload, *, name: str | None, version: str | None) -> ReadPlugin:
    """Read a plugin that came.

    Raises:
        Refused: with everything that is wrong with it.
    """
    async with here.database.transaction() as session:
        images = await here.catalogue.images(session, lost_after=here.settings.worker_lost_after)
    modules = {module for some in images.values() for image in some for module in image.modules}
    return await here.readers.plugin(
        upload.path, name=name, version=version, libraries=sorted(LIBRARIES | modules)
    )


async def pushed(here: Parts, source: ReadPlugin, *, queue: str | None) -> Pushed:
    """Store a plugin and write its version.

    Args:
        here: the gateway.
        source: what was read.
        queue: whose worker is to load it; None for the testbed's own collection, which is ready as it is.

    Raises:
        Refused: the version is there with other files, or there is no such queue.
    """
    if queue is not None:
        await _check_queue(here, queue)
    new = await stored_version(here, source)
    async with here.database.transaction() as session:
        if queue is not None:
            await put_archive(session, CHECK_ARCHIVE)
        done = await push(session, new, check=None if queue is None else check_of(source.name, queue))
    if isinstance(done, VersionExists):
        detail = (
            f"version {new.version} of {new.plugin} is there with other files, and a version never changes: "
            "give these another one"
        )
        raise Refused(409, "version_exists", detail)
    # Who deleted the same files at this moment may have taken them from the store.
    await _store(here, plugin_key(new.sha256), source.packed)
    if done.began and done.version.check is not None:
        here.changed(done.version.check, state=JobState.queued)
    return done


async def stored_version(here: Parts, source: ReadPlugin) -> NewVersion:
    """Bring a plugin's files to the store, and say what was read in them."""
    await _store(here, archive_key(CHECK_ARCHIVE.sha256), CHECK_BYTES)
    new = NewVersion(
        plugin=source.name,
        version=source.version,
        sha256=await asyncio.to_thread(lambda: hashlib.sha256(source.packed).hexdigest()),
        size=len(source.packed),
        files=source.files,
        description=source.description,
        requires=source.requires,
        tasks=source.tasks,
        artifact_types=source.artifact_types,
    )
    await _store(here, plugin_key(new.sha256), source.packed)
    return new


async def _check_queue(here: Parts, queue: str) -> None:
    async with here.database.transaction() as session:
        known = await here.catalogue.queues(session, queue)
    if queue not in known:
        detail = f"there is no queue {queue!r}{did_you_mean(queue, known)}; known are {listed(known)}"
        raise invalid([ProblemItem(pointer="?queue", code="unknown_queue", detail=detail)], "unknown_queue")


async def _store(here: Parts, key: str, data: bytes) -> None:
    path = here.spool / f"{secrets.token_hex(8)}.plugin"
    try:
        await asyncio.to_thread(path.write_bytes, data)
        await keep(here.store, key, path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    finally:
        with suppress(OSError):
            await asyncio.to_thread(path.unlink, missing_ok=True)
