"""How a browser comes in: `tiltyard mlflow` prints an address with a ticket, which is good once and is turned into a cookie."""

from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.requests import Request

from tiltyard_api.mlflow.callers import COOKIE
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.storage.access import browsing

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>MLflow behind Tiltyard</title>
<body style="font: 16px/1.5 sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em">
<h1>Who are you?</h1>
<p>{why} Run this where you use Tiltyard's command line; it opens MLflow in your browser:</p>
<pre>tiltyard mlflow</pre>
<p>Programs need no browser: they set <code>MLFLOW_TRACKING_URI</code> to this address and <code>MLFLOW_TRACKING_TOKEN</code>
to a token of this testbed.</p></body></html>
"""


async def enter(here: Parts, request: Request) -> Response:
    """Take a ticket, and let the browser in."""
    bearer = await here.guests.redeem(request.query_params.get("ticket", ""))
    if bearer is None or bearer.role != "user":
        return stranger("That ticket was used already, or is too old.")
    async with here.database.transaction() as session:
        secret = await browsing.open_session(session, bearer)
    answer = RedirectResponse("/mlflow/", status_code=303, headers=_HEADERS)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=int(browsing.SESSION_SECONDS),
        path="/mlflow",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def stranger(why: str = "This page is for people whom the testbed knows.") -> Response:
    """The page for a browser that was not let in."""
    headers = _HEADERS | {"WWW-Authenticate": "Bearer"}
    return HTMLResponse(_PAGE.format(why=why), status_code=401, headers=headers)
