"""What an address takes: all its methods for a 405, and HEAD wherever it takes GET."""

import asyncio

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
HEAD_ALONE = "tiltyard.head"


def allowed(app: FastAPI, scope: Scope) -> str:
    """The methods that the address of a request takes, as `Allow` names them."""
    found = [method for method in METHODS if takes(app, scope, method)]
    return ", ".join(["HEAD", *found] if "GET" in found else found)


def takes(app: FastAPI, scope: Scope, method: str) -> bool:
    """Whether there is something at the address of a request for this method."""
    asked = {name: scope[name] for name in ("type", "path", "headers")} | {"root_path": "", "method": method}
    return any(route.matches(asked)[0] is Match.FULL for route in app.router.routes)


async def answer_head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a HEAD request with the head of the GET that it asks about.

    `HEAD_ALONE` in its scope tells routes that need not fetch what they would send. To what is made while it is sent, the
    client seems to leave as soon as the head is there, so that nothing more is made.
    """
    begun, more = asyncio.Event(), True

    async def receiving() -> Message:
        nonlocal more
        if not more:
            await begun.wait()
            return {"type": "http.disconnect"}
        message = await receive()
        more = message.get("more_body", False)
        return message

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            begun.set()
        await asyncio.sleep(0)  # who was told that the client left ends the answer here

    await app({**scope, "method": "GET", HEAD_ALONE: True}, receiving, sending)
    if begun.is_set():
        await send({"type": "http.response.body"})
