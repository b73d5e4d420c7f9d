"""Puts a Python process's wall clock off by TYF_SKEW_SECONDS, before anything is imported. Its monotonic clock is right."""

import datetime as dt
import os
import time
from typing import Any

SKEW = float(os.environ.get("TYF_SKEW_SECONDS", "0"))
_right_time, _right_time_ns, _Right = time.time, time.time_ns, dt.datetime


class _EveryDatetime(type):
    """What the right class made is an instance of the wrong one too."""

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, _Right)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, _Right)


class _Wrong(dt.datetime, metaclass=_EveryDatetime):
    """A datetime whose now is not now."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return _Right(*args, **kwargs)

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:
        return _Right.now(tz) + dt.timedelta(seconds=SKEW)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(dt.UTC).replace(tzinfo=None)


time.time = lambda: _right_time() + SKEW
time.time_ns = lambda: _right_time_ns() + int(SKEW * 1e9)
dt.datetime = _Wrong  # type: ignore[misc]
