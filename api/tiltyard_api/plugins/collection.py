"""The testbed's own collection: pushed like any other plugin when a gateway starts, read from where it is installed.

Its version names its content, so that gateways of one release push one version, and a gateway that starts again none. It is
ready without a check: it came with the worker. It becomes the current one unless somebody chose another.
"""

import asyncio
import hashlib
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path

import structlog

from tiltyard import __version__
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire import ProblemItem
from tiltyard_api.parts import Parts
from tiltyard_api.plugins.pushing import pushed
from tiltyard_api.readers.messages import ReadPlugin
from tiltyard_api.readers.reading import described
from tiltyard_orchestrator.storage.plugins.read import get_version

log = structlog.get_logger(__name__)

NAME = "tiltyard_plugins"
DESCRIPTION = "Data, models, attacks, defences and metrics that come with Tiltyard."
AGAIN_SECONDS = 10.0
PATIENCE_SECONDS = 5.0
"""How long a start waits for it; after that it goes on beside everything else."""


def begin(here: Parts) -> asyncio.Task[None]:
    """Push the collection, until that succeeds. The task is the caller's to end."""
    return asyncio.create_task(_until_pushed(here), name="collection")


async def _until_pushed(here: Parts) -> None:
    told = False
    while True:
        try:
            await push_collection(here)
        except Exception as error:  # noqa: BLE001 - the store or the database is away: the gateway serves all the same
            if not told:
                log.warning("collection_not_pushed", error=str(error) or type(error).__name__)
            told = True
            await asyncio.sleep(AGAIN_SECONDS)
        else:
            return


async def push_collection(here: Parts) -> None:
    """Push the collection that is installed here, if it is not there yet."""
    found = await asyncio.to_thread(_files)
    if found is None:
        log.info("no_collection", reason=f"{NAME} is not installed beside the gateway")
        return
    version = f"{__version__}+{_digest(found)[:8]}"
    async with here.database.transaction() as session:
        if await get_version(session, NAME, version) is not None:
            return
    source = await asyncio.to_thread(_read, version, found)
    if isinstance(source, ReadPlugin):
        done = await pushed(here, source, queue=None)
        log.info("collection_pushed", version=version, tasks=len(done.version.tasks))
        return
    for problem in source:
        log.error("collection_refused", at=problem.pointer, code=problem.code, detail=problem.detail)


Files = tuple[tuple[str, bytes], ...]


def _files() -> Files | None:
    """The collection's files by name; None where it is not installed. Finding it imports nothing."""
    spec = PathFinder.find_spec(NAME)
    if spec is None or not spec.submodule_search_locations:
        return None
    root = Path(next(iter(spec.submodule_search_locations)))
    files = {"plugin.toml": f'description = "{DESCRIPTION}"\n'.encode()}
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            files[f"{NAME}/{path.relative_to(root).as_posix()}"] = path.read_bytes()
    return tuple(files.items())


def _digest(files: Files) -> str:
    digest = hashlib.sha256()
    for name, content in files:
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _read(version: str, files: Files) -> ReadPlugin | list[ProblemItem]:
    source = read_plugin(dict(files), name=NAME, version=version, built_in=True)
    return described(source) if isinstance(source, PluginSource) else source
