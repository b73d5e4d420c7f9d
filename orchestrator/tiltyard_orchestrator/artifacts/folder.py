"""A folder as a store. A file is written beside its place, synced, and renamed into it."""

import asyncio
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from tiltyard_orchestrator.artifacts.store import CHUNK, Missing, StoreAway, StoreFull, place

LEAST_ROOM = 16 << 20
"""Bytes: with less an ordinary archive or model finds none."""
LEAST_FILES = 16
"""A file needs itself and the folders that it is in."""


class FolderStore:
    """Keeps bytes in files under one folder.

    Args:
        folder: made when it is missing; nobody else writes there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def ready(self) -> bool:
        """Whether the folder is there and can be written."""
        return await asyncio.to_thread(self._ready)

    async def has_room(self) -> bool:
        """Whether bytes and files are left on the disk; of a quota nothing is known before it is met."""
        return await asyncio.to_thread(self._has_room)

    async def put(self, key: str, source: Path) -> None:
        """Copy a file in."""
        try:
            await asyncio.to_thread(self._put, self._path(key), source)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise StoreFull(error.errno, f"no room is left in {self._folder}") from error
            raise _away(error) from error

    async def size(self, key: str) -> int | None:
        """The size of a key's file."""
        path = self._path(key)
        return await asyncio.to_thread(lambda: path.stat().st_size if path.is_file() else None)

    async def read(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Read a key's file, or a part of it."""
        try:
            stream = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError as error:
            raise Missing(key) from error
        except OSError as error:
            raise _away(error) from error
        with stream:
            stream.seek(start)
            left = length
            while chunk := await asyncio.to_thread(stream.read, CHUNK if left is None else min(CHUNK, left)):
                left = None if left is None else left - len(chunk)
                yield chunk

    async def link(self, key: str, *, disposition: str, seconds: int) -> str | None:
        """None: nobody but the gateway reaches a folder."""
        del key, disposition, seconds
        return None

    async def delete(self, key: str) -> None:
        """Remove a key's file, and the folders that it leaves empty."""
        try:
            await asyncio.to_thread(self._delete, self._path(key))
        except OSError as error:
            raise _away(error) from error

    def _path(self, key: str) -> Path:
        return self._folder / place(key)

    def _ready(self) -> bool:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        return os.access(self._folder, os.W_OK)

    def _has_room(self) -> bool:
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            raise _away(error) from error
        counts_files = disk.f_files > 0  # some file systems make room for files as they are needed
        files = disk.f_favail >= LEAST_FILES or not counts_files
        return files and disk.f_bavail * disk.f_frsize >= LEAST_ROOM

    def _put(self, path: Path, source: Path) -> None:
        beside = self._folder / f".{secrets.token_hex(8)}.partial"
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with source.open("rb") as read, beside.open("xb") as written:
                shutil.copyfileobj(read, written, CHUNK)
                written.flush()
                os.fsync(written.fileno())
            _rename(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self._folder:
                return
            try:
                folder.rmdir()
            except OSError:
                return


def _away(error: OSError) -> StoreAway:
    # A disk that failed is mounted read-only, and one on the network may be gone for a while.
    return StoreAway(f"the store's folder cannot be used now: {error.strerror or error}")


def _rename(beside: Path, path: Path) -> None:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.replace(path)
        except FileNotFoundError:
            continue  # a delete beside us took the folder away as an empty one
        except FileExistsError:
            if path.parent.exists() and not path.parent.is_dir():
                raise
            continue  # the same, between the making of the folder and the look at it
        return


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
