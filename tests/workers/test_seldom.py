"""What Celery says over and over reaches a log once a minute."""

import logging

from tiltyard_workers.seldom import EVERY_SECONDS, Seldom


def record(words: str, at: float) -> logging.LogRecord:
    made = logging.LogRecord("celery", logging.ERROR, __file__, 1, "%s", (words,), None)
    made.created = at
    return made


def test_the_same_words_are_written_once_a_minute_and_others_at_once() -> None:
    seldom = Seldom()
    heard = [("away", 0.0), ("away", 0.2), ("refused", 0.3), ("away", 59.0), ("away", EVERY_SECONDS)]
    written = [at for words, at in heard if seldom.filter(record(words, at))]
    assert written == [0.0, 0.3, EVERY_SECONDS]


def test_a_traceback_of_celery_s_own_waiting_is_left_out() -> None:
    told = record("restarts", 0.0)
    told.exc_info = (RuntimeError, RuntimeError("5 in 1s"), None)
    assert "RuntimeError" in logging.Formatter().format(told)
    told.exc_text = None
    assert Seldom().filter(told)
    assert "RuntimeError" not in logging.Formatter().format(told)
