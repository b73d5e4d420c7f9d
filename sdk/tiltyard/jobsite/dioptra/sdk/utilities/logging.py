"""What set a job's logging up by hand: here everything that a job prints or logs is its log, line by line."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def attach_stdout_stream_handler(as_json: bool = False) -> None:
    """Have what is logged printed."""
    del as_json
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def set_logging_level(level: str | int) -> None:
    """Leave out what is below a level."""
    logging.getLogger().setLevel(level)


def clear_logger_handlers(logger: logging.Logger) -> None:
    """Have a logger pass on what it is told, and do nothing with it itself."""
    logger.handlers.clear()
    logger.propagate = True


def configure_structlog(*_: Any, **__: Any) -> None:
    """Nothing: what structlog prints by itself is read."""


@contextmanager
def _as_it_is(as_json: bool = False) -> Iterator[None]:
    del as_json
    yield


StdoutLogStream = StderrLogStream = _as_it_is
