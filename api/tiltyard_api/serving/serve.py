"""Runs the application under uvicorn: no access log, no compression of sockets, ten seconds to say good-bye."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from tiltyard_api.app import create_app
from tiltyard_api.http.problems import is_coming
from tiltyard_api.parts import Pace, Parts
from tiltyard_api.serving.line import Line
from tiltyard_api.stream.sockets import LARGEST_MESSAGE
from tiltyard_orchestrator.settings import Settings
from tiltyard_orchestrator.storage.migrate import NewerData, read_version

GOODBYE_SECONDS = 10.0
"""After this long the process ends, whatever still hangs: nothing that matters is in it."""
STREAM_SECONDS = 2.0
"""For streams to say good-bye."""
REQUEST_SECONDS = 5
"""For requests to be answered."""
DATABASE_PATIENCE_SECONDS = 60
KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 300_000}
"""A client that vanished is missed within two minutes, and one that takes nothing of its answer within five."""


def serve(settings: Settings, pace: Pace | None = None) -> int:
    """Serve until told to stop.

    Args:
        settings: the gateway's.
        pace: the clocks of the event stream, where they are not the usual ones.

    Returns:
        The exit code: 0 after a stop that was asked for.
    """
    _log_as_lines()
    try:
        asyncio.run(_await_tables(settings))
    except (NewerData, _NotUpgraded) as refusal:
        return _stop(str(refusal))
    except Exception as error:  # noqa: BLE001 - whatever the driver raises, the operator needs one line
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        return _stop(f"the database that TILTYARD_DATABASE_URL names cannot be used: {reason}")
    if settings.store_dir is not None and (problem := _store_problem(settings.store_dir)):
        return _stop(problem)
    listening = listen(settings.host, settings.port)
    if isinstance(listening, str):
        return _stop(listening)
    pace = pace or Pace()
    app = create_app(settings, pace)
    config = uvicorn.Config(
        app,
        ws=Line,
        ws_per_message_deflate=False,
        ws_max_size=LARGEST_MESSAGE,
        ws_ping_interval=pace.ping,
        ws_ping_timeout=pace.ping,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=REQUEST_SECONDS,
        timeout_keep_alive=30,
    )
    server = _Server(config, app)
    with listening, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listening]))
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Tells the streams before it closes their connections, so that their clients see a good-bye and not a failure."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            structlog.get_logger().info("listening", host=host, port=port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        last_resort = threading.Timer(GOODBYE_SECONDS, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        parts: Parts | None = getattr(self._app.state, "parts", None)
        if parts is not None:
            parts.draining.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(STREAM_SECONDS):
                    await self._streams_closed()
        await super().shutdown(sockets)

    async def _streams_closed(self) -> None:
        kind = self.config.ws_protocol_class
        assert kind is not None
        while any(  # noqa: ASYNC110 - uvicorn has no event for it
            isinstance(connection, kind) for connection in self.server_state.connections
        ):
            await asyncio.sleep(0.02)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again afterwards; a stop that was asked for is a success here.
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, found in before.items():
                signal.signal(each, found)


class _NotUpgraded(RuntimeError):
    pass


async def _await_tables(settings: Settings) -> None:
    deadline = asyncio.get_running_loop().time() + DATABASE_PATIENCE_SECONDS
    told = False
    while True:
        try:
            version = await read_version(settings.database)
        except NewerData:
            raise
        except Exception as error:
            if not is_coming(error) or asyncio.get_running_loop().time() > deadline:
                raise
            if not told:
                structlog.get_logger().warning("database_away", error=str(error))
            told = True
            await asyncio.sleep(1)
            continue
        if not version.upgraded:
            at = version.current or "empty"
            raise _NotUpgraded(
                f"the database is {at} and this program wants {version.head}: run `tiltyard db upgrade`"
            )
        return


def _store_problem(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return f"cannot write to the store {folder}: {error.strerror}"


def listen(host: str, port: int) -> socket.socket | str:
    """A socket to serve on, or why there is none."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is taken; give another one with --port"
        return f"cannot listen on {host}:{port}: {error.strerror}"
    listening.set_inheritable(True)
    _miss_who_vanishes(listening)
    return listening


def _miss_who_vanishes(listening: socket.socket) -> None:
    # Every connection inherits these. Where the system does not know one, its own clocks hold, of hours.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _stop(message: str) -> int:
    print(f"tiltyard gateway: {message}", file=sys.stderr, flush=True)  # noqa: T201 - the last word, for a person
    return 1


def _log_as_lines() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
