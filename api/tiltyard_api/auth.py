"""Who may do what: users, workers, and the attempt that holds a job. Who is asking was found out at the door."""

from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from tiltyard_api.http.problems import Refused
from tiltyard_api.parts import Here
from tiltyard_orchestrator.storage.access import tokens
from tiltyard_orchestrator.storage.access.tokens import Bearer

CHALLENGE = {"WWW-Authenticate": "Bearer"}
# It only tells OpenAPI; it refuses nobody.
Shown = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, scheme_name="token", description="`Authorization: Bearer TOKEN`")),
]


def token_of(connection: HTTPConnection) -> str | None:
    """The bearer token that a request or a socket carries."""
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def unauthorized() -> Refused:
    """The answer to a request without a good token."""
    detail = "send `Authorization: Bearer TOKEN` with a token of this testbed that is not revoked"
    return Refused(401, "unauthorized", detail, headers=CHALLENGE)


async def _bearer(connection: HTTPConnection, _shown: Shown = None) -> Bearer:
    bearer: Bearer | None = connection.scope.get("tiltyard.bearer")
    if bearer is None:
        raise unauthorized()
    return bearer


async def _user(bearer: Annotated[Bearer, Depends(_bearer)]) -> Bearer:
    if bearer.role != "user":
        raise Refused(403, "forbidden", "this is for users' tokens, and this token is a worker's")
    return bearer


async def _worker(bearer: Annotated[Bearer, Depends(_bearer)]) -> Bearer:
    if bearer.role != "worker":
        raise Refused(403, "forbidden", "this is for workers' tokens, and this token is a user's")
    return bearer


async def _attempt(
    connection: HTTPConnection, here: Here, job: str, epoch: int, _shown: Shown = None
) -> None:
    token = token_of(connection) or ""
    async with here.database.transaction() as session:
        standing = await tokens.judge_attempt(
            session, job=job, epoch=epoch, token_sha256=tokens.fingerprint(token)
        )
    if standing == "superseded":
        raise superseded(job, epoch)
    if standing != "holds":
        raise Refused(401, "unauthorized", "this is not the token of that attempt", headers=CHALLENGE)


def superseded(job: str, epoch: int) -> Refused:
    """The attempt lost its job: nothing that it sends is written any more."""
    detail = f"job {job} is not held by epoch {epoch} any more: stop its processes and forget it"
    return Refused(409, "attempt_superseded", detail)


Anyone = Annotated[Bearer, Depends(_bearer)]
User = Annotated[Bearer, Depends(_user)]
Worker = Annotated[Bearer, Depends(_worker)]
AttemptOnly = Depends(_attempt)
