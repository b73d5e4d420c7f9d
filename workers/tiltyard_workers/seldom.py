"""Says once in a while what Celery says several times a second while a broker will not have it, and says it in lines."""

import logging

EVERY_SECONDS = 60.0


class Seldom(logging.Filter):
    """Lets a message through that was not heard for a minute, and no traceback: all it tells is where Celery waits."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it."""
        said = record.getMessage()
        recent = {words: at for words, at in self._heard.items() if 0 <= record.created - at < EVERY_SECONDS}
        self._heard = recent if said in recent else recent | {said: record.created}
        record.exc_info = record.exc_text = None
        return said not in recent
