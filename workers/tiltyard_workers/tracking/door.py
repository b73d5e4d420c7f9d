"""The relay's HTTP side: a loopback server that reads whatever a script sends, and keeps no large body in memory.

The jobs of a host share its loopback. So the door opens to a key alone, which this attempt's job finds in its environment:
no other job writes to this one's run by trying ports. Who has no key is not read any further than that.
"""

import hmac
import json
import secrets
import shutil
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, cast

LARGEST_BODY = 8 << 30
IN_MEMORY = 1 << 20
IDLE_SECONDS = 120
MOST_CONNECTIONS = 256
"""Each has a thread of the worker's; above it, who comes is turned away."""
GOOD_BYE_SECONDS = 0.5
LARGEST_UNREAD = 64 << 10
_NO_KEY = json.dumps(
    {
        "error_code": "UNAUTHENTICATED",
        "message": "send the job's MLFLOW_TRACKING_TOKEN as a bearer token, as MLflow's client does",
    }
).encode()

Answer = tuple[int, dict[str, str], "bytes | IO[bytes]"]
Ask = Callable[[str, str, dict[str, str], IO[bytes]], Answer]
"""Answers a method, a target, headers and a body."""


def spool(folder: Path) -> IO[bytes]:
    """A place for a body: in memory while it is small, then in a folder."""
    return cast("IO[bytes]", SpooledTemporaryFile(IN_MEMORY, dir=str(folder)))


class Door:
    """Listens on loopback, from when it is made.

    Args:
        ask: what answers.
        folder: where large bodies are kept meanwhile.
    """

    def __init__(self, ask: Ask, folder: Path) -> None:
        self.key = secrets.token_hex(32)
        """Whoever shows it as a bearer token is answered."""

        class _Asking(_Handler):
            asked = staticmethod(ask)
            spools = folder
            key = self.key

        self._http = _Server(("127.0.0.1", 0), _Asking)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread, if there is a place for one."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket, client_address: Any) -> None:  # type: ignore[override]  # it is one
        """Answer, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a script that goes away in the middle is its own business."""


class _Handler(BaseHTTPRequestHandler):
    asked: Ask
    spools: Path
    key: str
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def _handle(self) -> None:
        if not self._has_key():
            self._turn_away()
            return
        with spool(self.spools) as body:
            if not self._read_into(body):
                self.close_connection = True
                self.send_error(413)
                return
            status, headers, said = self.asked(self.command, self.path, dict(self.headers), body)
        with spool(self.spools) if isinstance(said, bytes) else said as content:
            if isinstance(said, bytes):
                content.write(said)
            self._send(status, headers, content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815 - the names that http.server calls

    def _turn_away(self) -> None:
        """Say why, and hang up; what is on its way of a small body is let in, or the answer would be lost with it."""
        self.close_connection = True
        headers = {"Content-Type": "application/json", "WWW-Authenticate": "Bearer", "Connection": "close"}
        with spool(self.spools) as why:
            why.write(_NO_KEY)
            self._send(401, headers, why)
        self.connection.settimeout(GOOD_BYE_SECONDS)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.rfile.read(LARGEST_UNREAD)

    def _has_key(self) -> bool:
        kind, _, key = (self.headers.get("Authorization") or "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(key.strip().encode(), self.key.encode())

    def _send(self, status: int, headers: dict[str, str], content: IO[bytes]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(content.seek(0, 2)))
        self.end_headers()
        content.seek(0)
        if self.command != "HEAD":
            shutil.copyfileobj(content, self.wfile)

    def _read_into(self, body: IO[bytes]) -> bool:
        """Read what was sent; tells whether it is one that is taken."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(64).split(b";")[0], 16):
                if not self._copy(size, body):
                    return False
                self.rfile.readline(64)
            self.rfile.readline(64)
            return True
        return self._copy(int(self.headers.get("Content-Length") or 0), body)

    def _copy(self, size: int, body: IO[bytes]) -> bool:
        if size < 0 or body.tell() + size > LARGEST_BODY:
            return False
        while size:
            chunk = self.rfile.read(min(size, 1 << 16))
            if not chunk:
                return False
            body.write(chunk)
            size -= len(chunk)
        return True

    def log_message(self, *_: Any) -> None:
        """Say nothing: what a script records is its own business."""
