"""Bringing an entry point's files to the gateway: packed if they are a folder, and not sent where they are known already.

A lone YAML file is a graph entry point: it is packed with an MLproject that says so.
"""

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tiltyard.archive import ArchiveRefused, Rule, detect_format, pack_directory
from tiltyard.archive.packing import holds
from tiltyard.client.connection import Connection
from tiltyard.client.errors import NotFound, TiltyardError
from tiltyard.wire.archives import Archive

Progress = Callable[[int, int], None]
"""Told the bytes sent so far, and of how many."""

_PIECE = 256 * 1024
_LONGEST_ANSWER = 600.0
"""Seconds a gateway may take to receive, read and store an archive of the largest size."""


class NoEntryPoint(TiltyardError):
    """What was named holds no entry point, and nothing of it was packed or sent."""


async def upload(connection: Connection, path: Path, progress: Progress | None = None) -> Archive:
    """The stored archive of a folder, of an archive file, or of a graph's file alone.

    Raises:
        ArchiveRefused: the folder holds what an archive may not.
        FileNotFoundError: there is nothing at `path`.
        NoEntryPoint: it is a folder without an MLproject, or a file that is no archive.
        Refused: the gateway will not have the archive; `code` says by which rule.
    """
    async with _packed(path) as packed:
        digest = await asyncio.to_thread(_digest, packed)
        known = await find_archive(connection, digest)
        return known or await _send(connection, packed, digest, progress)


async def find_archive(connection: Connection, digest: str) -> Archive | None:
    """An archive that the gateway has; None when it has not."""
    try:
        await connection.send("HEAD", f"archives/{digest}")
        return await connection.ask(Archive, "GET", f"archives/{digest}")
    except NotFound:
        return None


@asynccontextmanager
async def _packed(path: Path) -> AsyncIterator[Path]:
    graph = path.suffix.lower() in {".yaml", ".yml"}
    if not graph:
        await asyncio.to_thread(_look_for_an_entry_point, path)
    if not (graph or await asyncio.to_thread(path.is_dir)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        packed = Path(folder) / "archive.tar.gz"
        root = await asyncio.to_thread(_project_of, path, Path(folder)) if graph else path
        await asyncio.to_thread(pack_directory, root, packed)
        yield packed


def _look_for_an_entry_point(path: Path) -> None:
    """Refuse what can be none before it is packed: the folder may be somebody's whole home."""
    if not path.is_dir():
        try:
            detect_format(path)
        except ArchiveRefused as refused:
            if refused.rule is not Rule.unknown_format:
                return  # the gateway says what is wrong with it
            beside = (path.parent / "MLproject").is_file()
            meant = (
                f"name its folder, {path.parent.resolve()}" if beside else "name a folder with an MLproject"
            )
            told = f"{path} is neither an archive nor a graph's .yaml file: {meant}"
            raise NoEntryPoint(told) from None
    elif not holds(path, "MLproject"):
        plugin = "; `tiltyard plugin push` takes plugins" if (path / "plugin.toml").is_file() else ""
        meant = f"name the folder of an entry point, or a graph's .yaml file{plugin}"
        raise NoEntryPoint(f"{path} has no MLproject, in it or in a folder below: {meant}")


def _project_of(graph: Path, folder: Path) -> Path:
    """A folder with a graph's file, and an MLproject whose entry point it is."""
    root = folder / "project"
    root.mkdir()
    shutil.copyfile(graph, root / graph.name)
    name, file = json.dumps(graph.stem), json.dumps(graph.name)
    document = f"name: {name}\nentry_points:\n  main:\n    graph: {file}\n"
    (root / "MLproject").write_text(document, encoding="utf-8")
    return root


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _send(connection: Connection, path: Path, digest: str, progress: Progress | None) -> Archive:
    size = (await asyncio.to_thread(path.stat)).st_size

    async def body() -> AsyncIterator[bytes]:
        sent = 0
        with path.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece
                sent += len(piece)
                if progress is not None:
                    progress(sent, size)

    archive = await connection.ask(
        Archive,
        "POST",
        "archives",
        body=body,
        headers={"Content-Length": str(size), "Content-Type": "application/octet-stream"},
        answer_within=_LONGEST_ANSWER,
        repeatable=True,  # an archive is its digest: the same one twice is one
    )
    if archive.sha256 != digest:
        raise OSError(f"{path} changed while it was sent; send it again")
    return archive
