"""What a job's script may tell while it runs: progress, metrics and artifacts.

Each call is one line of JSON to the Unix socket that TILTYARD_SOCKET names, where the job's supervisor listens; it shows
up as an event at once. Outside a job there is no socket, and the calls do nothing. A supervisor that went away or does
not keep up costs a script half a second at most, and then nothing for a while: telling is never worth a job.
"""

import json
import math
import os
import socket
import threading
import time
from typing import Any, SupportsFloat

__all__ = ["artifact", "metric", "progress"]

_LONGEST_BLOCK = 0.5
_SILENCE_AFTER_FAILURE = 5.0
_SURELY = (0.5, 5.0, 5.0)
"""How long each of several tries may block, where a line decides what becomes of the job."""


class _Wire:
    """The connection to the supervisor, made on first use and once more in every forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._owner = 0
        self._silent_until = 0.0

    def send(self, kind: str, data: dict[str, Any], *, surely: bool = False) -> None:
        address = os.environ.get("TILTYARD_SOCKET")
        if not address:
            return
        line = json.dumps({"kind": kind, "data": data}).encode() + b"\n"
        with self._lock:
            if time.monotonic() < self._silent_until and not surely:
                return
            for patience in _SURELY if surely else (_LONGEST_BLOCK,):
                try:
                    self._connected(address, patience).sendall(line)
                except OSError:
                    # A line that went half is told from the next by the new connection.
                    self._drop()
                    self._silent_until = time.monotonic() + _SILENCE_AFTER_FAILURE
                else:
                    return

    def _connected(self, address: str, patience: float) -> socket.socket:
        if self._owner != os.getpid():
            self._drop()
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(patience)
            self._socket.connect(address)
            self._owner = os.getpid()
        self._socket.settimeout(patience)
        return self._socket

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def renew_lock(self) -> None:
        # A fork copies a lock that another thread held, and nobody would ever release the copy.
        self._lock = threading.Lock()


_wire = _Wire()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_wire.renew_lock)


def tell(kind: str, data: dict[str, Any], *, surely: bool = False) -> None:
    """Tell the supervisor of what it knows by a kind; `surely`: what decides the job's end is worth waiting for."""
    _wire.send(kind, data, surely=surely)


def _number(value: SupportsFloat) -> int | float:
    """A plain number of what may be a numpy or torch scalar."""
    return int(value) if isinstance(value, int) else float(value)


def progress(done: SupportsFloat, total: SupportsFloat | None = None, note: str = "") -> None:
    """Tell how far the script is: `done` of `total` (None: nobody knows), in any unit, with a short note."""
    data = {"done": _number(done), "total": None if total is None else _number(total), "note": str(note)}
    _wire.send("progress", data)


def metric(name: str, value: SupportsFloat, step: SupportsFloat | None = None) -> None:
    """Record a measurement; `step` orders the values of one name, and is 0 where it is not given."""
    number = float(value)
    shown = (
        number if math.isfinite(number) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(number, "NaN")
    )
    _wire.send("metric", {"name": str(name), "value": shown, "step": 0 if step is None else int(float(step))})


def artifact(path: str | os.PathLike[str]) -> None:
    """Keep a file as an artifact now, and not only at the job's end."""
    _wire.send("artifact", {"path": os.path.abspath(os.fsdecode(path))})  # noqa: PTH100 - pathlib costs every job an import
