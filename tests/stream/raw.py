"""A WebSocket by hand: for clients that say what no library would say, or read nothing of what they are told."""

import base64
import secrets
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import PATIENCE
from tests.stream.gateways import USER

TEXT, BINARY, CONTINUED, CLOSE, PING = 1, 2, 0, 8, 9
FIN, MASKED = 0x80, 0x80


@contextmanager
def raw_socket(
    port: int, path: str, *, window: int | None = None, method: str = "GET"
) -> Iterator[socket.socket]:
    """A connection whose request for a stream was sent, and of whose answer nothing was read yet.

    Args:
        port: where a gateway listens.
        path: of the stream.
        window: bytes that the client's system takes while nobody reads them.
        method: what only GET may be.
    """
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    request = (
        f"{method} /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {USER}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n\r\n"
    )
    with socket.socket() as line:
        line.settimeout(PATIENCE)
        if window is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        line.connect(("127.0.0.1", port))
        line.sendall(request.encode())
        yield line


def frame(
    kind: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, size: int | None = None
) -> bytes:
    """A frame as a client sends it, or as none should; `size` is what it says of its length, where that is a lie."""
    length = len(payload) if size is None else size
    flag = MASKED if masked else 0
    if length < 126:
        head = struct.pack("!BB", (FIN if fin else 0) | kind, flag | length)
    elif length < 1 << 16:
        head = struct.pack("!BBH", (FIN if fin else 0) | kind, flag | 126, length)
    else:
        head = struct.pack("!BBQ", (FIN if fin else 0) | kind, flag | 127, length)
    return head + (b"\0\0\0\0" if masked else b"") + payload  # a mask of zeros changes nothing


def read_answer(line: socket.socket) -> bytes:
    """What a request for a stream is answered; the frames behind it are left where they are."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n") and (more := line.recv(1)):
        answer += more
    return answer


def closing_code(line: socket.socket) -> int | str:
    """Read until the connection ends: the code of the close frame that came, or how it ended without one."""
    code: int | str = "no close frame"
    try:
        with line.makefile("rb") as reader:
            while head := reader.read(2):
                length = head[1] & 0x7F
                if length >= 126:
                    length = int.from_bytes(reader.read(2 if length == 126 else 8))
                payload = reader.read(length)
                if head[0] & 0x0F == CLOSE:
                    code = int.from_bytes(payload[:2])
                    line.sendall(frame(CLOSE, payload[:2]))
    except TimeoutError:
        return f"{code}, and the connection stays"
    except OSError:
        return code
    return code
