"""What an address takes: all its methods for a 405, and HEAD wherever it takes GET."""

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Scope

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


def asked_as_get(scope: Scope) -> Scope:
    """A HEAD request as the GET that it asks about; the server sends no body for it, whatever comes.

    `HEAD_ALONE` in it tells routes that need not fetch what they would send.
    """
    return {**scope, "method": "GET", HEAD_ALONE: True}
