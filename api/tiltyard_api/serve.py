"""Runs the application under uvicorn: no access log, no compression of sockets, ten seconds to say good-bye."""

import asyncio
import errno
import logging
import socket
import sys

import structlog
import uvicorn

from tiltyard_api.app import create_app
from tiltyard_orchestrator.settings import Settings
from tiltyard_orchestrator.storage.migrate import NewerData, read_version

GOODBYE_SECONDS = 10
DATABASE_PATIENCE_SECONDS = 60


def serve(settings: Settings) -> int:
    """Serve until told to stop.

    Returns:
        The exit code: 0 after a stop that was asked for.
    """
    _log_as_lines()
    try:
        asyncio.run(_await_tables(settings))
    except (NewerData, _NotUpgraded) as refusal:
        return _stop(str(refusal))
    except Exception as error:  # noqa: BLE001 - whatever the driver raises, the operator needs one line
        return _stop(f"the database did not answer within {DATABASE_PATIENCE_SECONDS} s: {error}")
    listening = _listen(settings.host, settings.port)
    if isinstance(listening, str):
        return _stop(listening)
    config = uvicorn.Config(
        create_app(settings),
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=1 << 20,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
        timeout_keep_alive=30,
    )
    server = uvicorn.Server(config)
    with listening:
        asyncio.run(server.serve(sockets=[listening]))
    return 0 if server.started else 1


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
        except Exception as error:  # each way of being away has its own exception
            if asyncio.get_running_loop().time() > deadline:
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


def _listen(host: str, port: int) -> socket.socket | str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            return f"port {port} is taken; give another one with --port"
        return f"cannot listen on {host}:{port}: {error.strerror}"
    listening.set_inheritable(True)
    return listening


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
