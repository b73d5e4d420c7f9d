"""Frames that no good client sends: each ends its own stream with the code that fits, and harms no other."""

import asyncio
import socket
from contextlib import ExitStack, suppress

from tests.stream import followers
from tests.stream.conftest import Start
from tests.stream.followers import whole
from tests.stream.raw import (
    BINARY,
    CLOSE,
    CONTINUED,
    PING,
    TEXT,
    closing_code,
    frame,
    raw_socket,
    read_answer,
)

LARGEST = 4 << 20
TALK = {
    "text": frame(TEXT, b"hello?"),
    "more than once": frame(TEXT, b'{"after": {}}') * 2,
    "garbage": frame(TEXT, b"{" * 1000),
    "bytes": frame(BINARY, bytes(range(256))),
    "nothing": frame(TEXT),
    "fragments": frame(TEXT, b"{", fin=False) + frame(CONTINUED, b"}"),
    "fragments and a ping": frame(TEXT, b"{", fin=False) + frame(PING) + frame(CONTINUED, b"}"),
}
"""What is well-formed, and not for a follower to say."""
TOO_LARGE = {
    "one frame": frame(TEXT, b"x" * (LARGEST + 1)),
    "said to be a terabyte": frame(BINARY, size=1 << 40),
    "said to be more than any number": frame(BINARY, size=1 << 63),
    "many fragments": frame(TEXT, b"x" * 1000, fin=False) + frame(CONTINUED, b"x" * 1000, fin=False) * 4_400,
}
MALFORMED = {
    "not masked": frame(TEXT, b"hello", masked=False),
    "an opcode of nobody": frame(3, b"?"),
    "reserved bits": frame(0x70 | TEXT, b"?"),
    "a continuation of nothing": frame(CONTINUED, b"?"),
    "a ping in two parts": frame(PING, fin=False),
    "a ping that is too long": frame(PING, b"x" * 126),
    "a close code of one byte": frame(CLOSE, b"\x03"),
    "a close code that may not be sent": frame(CLOSE, b"\x03\xee"),
    "plain HTTP": b"GET / HTTP/1.1\r\n\r\n",
}
NO_TEXT = {"not UTF-8": frame(TEXT, b"\xff\xfe"), "half a character": frame(TEXT, b"\xc3")}
AFTER_THE_CLOSE = frame(CLOSE, b"\x03\xe8") + frame(TEXT, b"still there?") * 3 + b"\xff" * 100


def say(line: socket.socket, frames: bytes) -> int | str:
    """Say this on a stream that was just opened; how it ends."""
    read_answer(line)
    with suppress(OSError):
        line.sendall(frames)
    return closing_code(line)


async def test_a_bad_frame_ends_its_own_stream_with_the_code_that_fits_and_no_other(
    start_site: Start,
) -> None:
    async with start_site(None) as site:
        attempt = await site.running()
        one, many = f"/jobs/{attempt.job}/events", "/events"
        others = [
            followers.by_client(site.url, attempt.job),
            followers.by_many(site.url, attempt.job),
        ]
        said: dict[tuple[str, str], tuple[bytes, int]] = {
            (path, what): (frames, code)
            for path in (one, many, "/events?resume=1")
            for kinds, code in ((TALK, 4400), (TOO_LARGE, 1009), (MALFORMED, 1002), (NO_TEXT, 1007))
            for what, frames in kinds.items()
        }
        said |= {(path, "frames after the close"): (AFTER_THE_CLOSE, 1000) for path in (one, many)}
        with ExitStack() as stack:
            port = site.gateways[0].port
            lines = [stack.enter_context(raw_socket(port, path)) for path, _ in said]
            talking = (
                asyncio.to_thread(say, line, frames)
                for line, (frames, _) in zip(lines, said.values(), strict=True)
            )
            codes = dict(zip(said, await asyncio.gather(*talking), strict=True))
        assert codes == {which: code for which, (_, code) in said.items()}
        await attempt.print("unharmed")
        last = await attempt.finish()
        for follower in others:
            assert await follower.all() == whole(last)
        assert "Traceback" not in site.log


async def test_a_stream_that_is_asked_for_with_another_method_is_refused_and_not_left_open(
    start_site: Start,
) -> None:
    async with start_site(None) as site:
        with raw_socket(site.gateways[0].port, "/events", method="POST") as line:
            assert (await asyncio.to_thread(read_answer, line)).startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert await asyncio.to_thread(line.recv, 1) == b""
        assert "Traceback" not in site.log
