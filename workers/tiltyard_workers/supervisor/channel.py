"""The socket on which a script tells of its progress, metrics, artifacts, steps and flows; it is trusted with nothing.

Each line is a JSON object `{"kind": ..., "data": {...}}`. Lines that are too long, malformed or of another kind are left
out. Progress is coalesced: of many steps within a fifth of a second, the newest is told.
"""

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tiltyard_workers.untrusted import checked_metric, number, text

LONGEST_LINE = 64 << 10
MOST_CONNECTIONS = 64
PROGRESS_SECONDS = 0.2
PLACE_SECONDS = 2.0
"""How long a connection above the limit waits for another one to end."""
LONGEST_MESSAGE = 2_000
STATUSES = {
    "step": {"started", "finished", "retried", "failed", "skipped"},
    "flow": {"started", "finished", "retried", "failed"},
}
MOST_FLOWS = 32
"""One in the other."""

Tell = Callable[[str, dict[str, Any]], None]


class Channel:
    """Listens on a Unix socket for what a job's scripts say.

    Args:
        path: where the socket is made; under 100 characters.
        tell: called with a kind, `metric`, `progress`, `artifact`, `step` or `flow`, and its checked data, from several
            threads.
    """

    def __init__(self, path: Path, tell: Tell) -> None:
        self._tell = tell
        self._progress = _Newest(lambda data: tell("progress", data))
        self._closed = threading.Event()
        self._open = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._readers: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        path.chmod(0o666)  # behind some fences the job is another user; its folder is closed to all others
        self._listener.listen(16)
        self._listener.settimeout(PROGRESS_SECONDS)

    def start(self) -> None:
        """Begin to listen."""
        self._thread = threading.Thread(target=self._accept, name="channel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, after what was said already was heard."""
        self._closed.set()
        self._thread.join(5)
        for reader in self._readers:
            reader.join(5)
        self._progress.flush()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            self._progress.flush_when_due()
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                if self._closed.is_set():  # nothing that was said before is left
                    return
                continue
            # Who comes while all places are taken waits for one: what a script says last is often what matters.
            if not self._open.acquire(timeout=PLACE_SECONDS):
                connection.close()
                continue
            reader = threading.Thread(target=self._read, args=(connection,), daemon=True)
            self._readers = [thread for thread in self._readers if thread.is_alive()] + [reader]
            reader.start()

    def _read(self, connection: socket.socket) -> None:
        connection.settimeout(PROGRESS_SECONDS)
        lines = _Lines(connection)
        try:
            while True:
                try:
                    line = lines.next()
                except TimeoutError:
                    if self._closed.is_set():
                        break
                    continue
                if line is None:
                    break
                self._take(line)
        except OSError:
            pass
        finally:
            connection.close()
            self._open.release()

    def _take(self, line: bytes) -> None:
        kind, data = _checked(line)
        if kind == "progress":
            self._progress.offer(data)
        elif kind:
            self._tell(kind, data)


class _Newest:
    """Tells the newest of what is offered, now and then, from whichever connection it came."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._waiting: dict[str, Any] | None = None
        self._told_at = 0.0

    def offer(self, data: dict[str, Any]) -> None:
        with self._lock:
            self._waiting = data
        self.flush_when_due()

    def flush_when_due(self) -> None:
        with self._lock:
            due = time.monotonic() - self._told_at >= PROGRESS_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            if self._waiting is not None:
                self._tell(self._waiting)
                self._waiting, self._told_at = None, time.monotonic()


class _Lines:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._skipping = False

    def next(self) -> bytes | None:
        """The next line that is not too long; None at the end; raises TimeoutError when none comes for a while."""
        while True:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                if not self._skipping and len(line) <= LONGEST_LINE:
                    return bytes(line)
                self._skipping = False
                continue
            if len(self._buffer) > LONGEST_LINE:
                self._buffer.clear()
                self._skipping = True
            chunk = self._connection.recv(LONGEST_LINE)
            if not chunk:
                return None
            self._buffer += chunk


def _checked(line: bytes) -> tuple[str, dict[str, Any]]:
    match _parsed(line):
        case {"kind": "metric", "data": {"name": str(name), "value": value, **more}}:
            if metric := checked_metric(name, value, more.get("step")):
                return "metric", metric
        case {"kind": "progress", "data": {"done": done, "total": total, **more}}:
            counts = number(done), number(total) if total is not None else None
            if counts[0] is not None:
                return "progress", {
                    "done": counts[0],
                    "total": counts[1],
                    "note": text(str(more.get("note") or "")),
                }
        case {"kind": "artifact", "data": {"path": str(path)}}:
            return "artifact", {"path": path}
        case {"kind": "step" | "flow" as kind, "data": {"name": str(name), "status": str(status), **more}}:
            if status in STATUSES[kind]:
                told = {"name": text(name), "status": status, **_seconds(more), **_message(more)}
                return str(kind), told | _flows(more)
    return "", {}


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _seconds(said: dict[Any, Any]) -> dict[str, Any]:
    seconds = number(said.get("seconds"))
    return {"seconds": seconds} if isinstance(seconds, int | float) and seconds >= 0 else {}


def _message(said: dict[Any, Any]) -> dict[str, Any]:
    message = said.get("message")
    return {"message": text(str(message), LONGEST_MESSAGE)} if message else {}


def _flows(said: dict[Any, Any]) -> dict[str, Any]:
    flows = said.get("flows")
    return (
        {"flows": [text(str(run)) for run in flows[:MOST_FLOWS]]} if flows and isinstance(flows, list) else {}
    )
