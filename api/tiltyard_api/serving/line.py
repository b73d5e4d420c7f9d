"""The connection under a WebSocket, which ends when the stream on it has: nobody is waited for who takes nothing any more.

The server closes a connection once all that was written has gone out. To a client that reads nothing, or that vanished
without a word, nothing ever goes out: without this each of them would keep its connection, and what waits on it, for good.
"""

import asyncio
import socket
from asyncio.transports import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS = 15.0
"""For the closing frames to go out and back."""

UNSENT_BYTES = 128 << 10
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Line(WebSocketsSansIOProtocol):
    """Speaks the WebSocket protocol."""

    _last_resort: asyncio.TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Let no more wait in the system's buffers than keeps a fast reader busy: what is there is nobody's to count."""
        super().connection_made(transport)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            line: socket.socket = transport.get_extra_info("socket")
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def data_received(self, data: bytes) -> None:
        """Take what comes in; what cannot begin a WebSocket, such as a POST, would be answered by nobody."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(REFUSAL)
            self.transport.close()

    async def run_asgi(self) -> None:
        """Serve the stream, then cut the connection: at once if the client did not even take a good-bye."""
        await super().run_asgi()
        if not self.close_sent:
            self.transport.abort()
        elif not self.disconnected:
            self._last_resort = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        if self._last_resort is not None:
            self._last_resort.cancel()

    def keepalive_timeout(self) -> None:
        """Cut a connection whose client answers no ping: what waits to be sent would wait for ever."""
        super().keepalive_timeout()
        self.transport.abort()

    def handle_ping(self) -> None:
        """Answer a ping, unless the client reads nothing: the answers would pile up."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        """Pass a message on; text that is none ends the stream, and is not worth a traceback in the log."""
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self.frames = []
            if not self.close_sent:
                self.conn.send_close(1007)
                self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()
