"""What a client does with plugins and their tasks: the part of `AsyncClient`, and of `Client`, that is about them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from tiltyard.client import download as downloading
from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import segment
from tiltyard.client.errors import TiltyardError
from tiltyard.client.pages import read_pages
from tiltyard.wire.plugins import Plugin, PluginState, PluginVersion, TaskListing
from tiltyard.wire.problems import ProblemItem

if TYPE_CHECKING:
    from tiltyard.plugins import PluginSource

_PIECE = 256 * 1024
_LONGEST_WAIT = 30.0
"""Seconds of one request that waits for a check."""


class PluginRefused(TiltyardError):
    """A plugin that is not sent, since no gateway would take it: `problems` holds everything that is wrong with it."""

    def __init__(self, path: Path, problems: Sequence[ProblemItem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(_line(path, item) for item in problems))


class PluginCalls(Calls):
    """The calls of an `AsyncClient` that are about plugins."""

    async def push_plugin(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        version: str | None = None,
        queue: str = "cpu",
    ) -> PluginVersion:
        """Publish a plugin's version: a folder, an archive or a wheel.

        It is loaded by a job before anybody gets it: `checked_plugin` waits for that. The same files under the same version
        are one push, however often they are sent.

        Args:
            path: where it is.
            name: its package's name, where the files do not say it.
            version: its version; goes before what the files say.
            queue: whose worker loads it.

        Raises:
            PluginRefused: it is no plugin; nothing was sent.
            Refused: the gateway will not have it; `code` is `version_exists` where the version is there with other files.
        """
        source = await asyncio.to_thread(_read, Path(path), name, version)
        packed = await asyncio.to_thread(source.packed)

        async def body() -> AsyncIterator[bytes]:
            for start in range(0, len(packed), _PIECE):
                yield packed[start : start + _PIECE]

        return await self._connection.ask(
            PluginVersion,
            "POST",
            "plugins",
            params={"name": source.name, "version": source.version, "queue": queue},
            body=body,
            headers={"Content-Length": str(len(packed)), "Content-Type": "application/octet-stream"},
            answer_within=120,
            repeatable=True,
        )

    async def checked_plugin(
        self,
        pushed: PluginVersion,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - as Future.result
    ) -> PluginVersion:
        """A pushed version when it is ready or refused.

        Raises:
            TimeoutError: it was neither within `timeout` seconds.
        """
        end = None if timeout is None else time.monotonic() + timeout
        found = pushed
        while found.state is PluginState.checking:
            left = _LONGEST_WAIT if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{found.plugin} {found.version} is still being checked")
            address = _address(found.plugin, found.version)
            wait = {"wait": min(left, _LONGEST_WAIT)}
            found = await self._connection.ask(PluginVersion, "GET", address, params=wait)
        return found

    def plugins(self) -> AsyncIterator[Plugin]:
        """Every plugin."""
        return read_pages(self._connection, Plugin, "plugins")

    async def plugin(self, name: str) -> Plugin:
        """One plugin, and which of its versions is the current one."""
        return await self._connection.ask(Plugin, "GET", f"plugins/{segment(name)}")

    def plugin_versions(self, name: str) -> AsyncIterator[PluginVersion]:
        """A plugin's versions, the newest first, without their tasks."""
        return read_pages(self._connection, PluginVersion, f"plugins/{segment(name)}/versions")

    async def plugin_version(self, name: str, version: str) -> PluginVersion:
        """One version with its tasks."""
        return await self._connection.ask(PluginVersion, "GET", _address(name, version))

    async def activate_plugin(self, name: str, version: str) -> PluginVersion:
        """Give new jobs this version, until a newer one is pushed. Jobs that are there keep theirs."""
        address = f"{_address(name, version)}/activate"
        return await self._connection.ask(PluginVersion, "POST", address, repeatable=True)

    async def deprecate_plugin(self, name: str, version: str, why: str | None) -> PluginVersion:
        """Say why a version is not to be used any more; None takes that back."""
        body = {"deprecated": why}
        return await self._connection.ask(PluginVersion, "PATCH", _address(name, version), json=body)

    async def delete_plugin(self, name: str, version: str | None = None) -> None:
        """Remove a version, or (None) the plugin with all of them.

        Raises:
            Refused: a job that has not ended needs it (`plugin_in_use`).
        """
        await self._connection.send(
            "DELETE", f"plugins/{segment(name)}" if version is None else _address(name, version)
        )

    async def fetch_plugin(self, name: str, version: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch a version's files, a tar, into a file or a folder; gives the file's path."""
        address = f"{_address(name, version)}/content"
        return await downloading.download(self._connection, address, f"{name}-{version}.tar", Path(to))

    def tasks(
        self,
        *,
        search: str | None = None,
        type: str | None = None,  # noqa: A002 - as the gateway calls it
        tag: str | None = None,
        plugin: str | None = None,
    ) -> AsyncIterator[TaskListing]:
        """The tasks of the current versions that fit all that is given, and where each can be used."""
        wanted = {"search": search, "type": type, "tag": tag, "plugin": plugin}
        return read_pages(self._connection, TaskListing, "tasks", wanted)


class DrivenPluginCalls(Driven):
    """The same for a `Client`."""

    _client: PluginCalls

    def push_plugin(
        self,
        path: str | PathLike[str],
        *,
        name: str | None = None,
        version: str | None = None,
        queue: str = "cpu",
    ) -> PluginVersion:
        """Publish a plugin's version: a folder, an archive or a wheel."""
        return self._portal.run(self._client.push_plugin(path, name=name, version=version, queue=queue))

    def checked_plugin(self, pushed: PluginVersion, *, timeout: float | None = None) -> PluginVersion:
        """A pushed version when it is ready or refused."""
        return self._portal.run(self._client.checked_plugin(pushed, timeout=timeout))

    def plugins(self) -> Iterator[Plugin]:
        """Every plugin."""
        return self._portal.iterate(self._client.plugins())

    def plugin(self, name: str) -> Plugin:
        """One plugin, and which of its versions is the current one."""
        return self._portal.run(self._client.plugin(name))

    def plugin_versions(self, name: str) -> Iterator[PluginVersion]:
        """A plugin's versions, the newest first, without their tasks."""
        return self._portal.iterate(self._client.plugin_versions(name))

    def plugin_version(self, name: str, version: str) -> PluginVersion:
        """One version with its tasks."""
        return self._portal.run(self._client.plugin_version(name, version))

    def activate_plugin(self, name: str, version: str) -> PluginVersion:
        """Give new jobs this version, until a newer one is pushed."""
        return self._portal.run(self._client.activate_plugin(name, version))

    def deprecate_plugin(self, name: str, version: str, why: str | None) -> PluginVersion:
        """Say why a version is not to be used any more; None takes that back."""
        return self._portal.run(self._client.deprecate_plugin(name, version, why))

    def delete_plugin(self, name: str, version: str | None = None) -> None:
        """Remove a version, or (None) the plugin with all of them."""
        self._portal.run(self._client.delete_plugin(name, version))

    def fetch_plugin(self, name: str, version: str, to: str | PathLike[str] = ".") -> Path:
        """Fetch a version's files, a tar, into a file or a folder; gives the file's path."""
        return self._portal.run(self._client.fetch_plugin(name, version, to))

    def tasks(
        self,
        *,
        search: str | None = None,
        type: str | None = None,  # noqa: A002 - as the gateway calls it
        tag: str | None = None,
        plugin: str | None = None,
    ) -> Iterator[TaskListing]:
        """The tasks of the current versions that fit all that is given, and where each can be used."""
        return self._portal.iterate(self._client.tasks(search=search, type=type, tag=tag, plugin=plugin))


def _address(name: str, version: str) -> str:
    return f"plugins/{segment(name)}/versions/{segment(version)}"


def _read(path: Path, name: str | None, version: str | None) -> "PluginSource":
    from tiltyard.plugins import read_plugin  # noqa: PLC0415 - who pushes nothing parses nothing

    if not path.exists():
        raise FileNotFoundError(2, "there is no such file or folder", str(path))
    source = read_plugin(path, name=name, version=version)
    if isinstance(source, list):
        raise PluginRefused(path, source)
    return source


def _line(path: Path, item: ProblemItem) -> str:
    place = item.pointer.lstrip("/")
    where = str(path / place) if place and path.is_dir() else f"{path}: {place}" if place else str(path)
    at = "".join(f":{number}" for number in (item.line, item.column) if number is not None)
    return f"{where}{at}: {item.detail} ({item.code})"
