"""Who is asking: a user with a token or a browser's session, a worker, or the attempt that holds a job.

What a job's script wrote while MLflow was away its worker may tell after the job has ended. It says so in a header, and is then
judged as the job would be: the script's words get no right that the script had not.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from tiltyard_api.auth import token_of
from tiltyard_api.mlflow.refusal import Refusal, denied
from tiltyard_api.parts.guests import REMEMBER_SECONDS, Guests
from tiltyard_orchestrator.storage import tracked_experiments
from tiltyard_orchestrator.storage.access import browsing, tokens
from tiltyard_orchestrator.storage.access.tokens import RunningAttempt
from tiltyard_orchestrator.storage.database import Database
from tiltyard_orchestrator.storage.jobs import read as jobs

COOKIE = "tiltyard_mlflow"
JOB_HEADER = "X-Tiltyard-Job"
MOST_REMEMBERED = 1_000
_HARMLESS = {"GET", "HEAD"}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who may come in."""

    role: Literal["user", "worker", "attempt"]
    attempt: RunningAttempt | None = None


USER = Caller(role="user")
WORKER = Caller(role="worker")


class Callers:
    """Tells who sent a request.

    Args:
        guests: knows the tokens.
        database: knows attempts and browsers.
    """

    def __init__(self, guests: Guests, database: Database) -> None:
        self._guests = guests
        self._database = database
        self._attempts: dict[str, tuple[float, RunningAttempt]] = {}
        self._browsers: dict[str, float] = {}

    async def identify(self, request: Request) -> Caller:
        """Who is asking.

        Raises:
            Refusal: nobody who may come in, or a page of another site.
        """
        if token := token_of(request):
            caller = await self._of_token(token)
        else:
            caller = await self._of_cookie(request)
        if caller is None:
            raise Refusal(
                "UNAUTHENTICATED",
                "set MLFLOW_TRACKING_TOKEN to a token of this testbed; in a browser, come in with `tiltyard mlflow`",
            )
        job = request.headers.get(JOB_HEADER)
        return await self._in_the_name_of(job) if caller is WORKER and job is not None else caller

    async def _in_the_name_of(self, job: str) -> Caller:
        async with self._database.transaction() as session:
            found = await jobs.get_job(session, job)
            known = found and await tracked_experiments.find_tracked(session, name=found.experiment)
        if found is None:
            raise Refusal("RESOURCE_DOES_NOT_EXIST", f"there is no job {job[:100]!r}")
        attempt = RunningAttempt(
            job=found.id, experiment=found.experiment, mlflow_experiment_id=known.mlflow_id if known else None
        )
        return Caller(role="attempt", attempt=attempt)

    async def _of_token(self, token: str) -> Caller | None:
        if token.startswith("tya_"):
            attempt = await self._attempt(token)
            return Caller(role="attempt", attempt=attempt) if attempt else None
        bearer = await self._guests.identify(token)
        if bearer is None:
            return None
        return WORKER if bearer.role == "worker" else USER

    async def _attempt(self, token: str) -> RunningAttempt | None:
        now, name = asyncio.get_running_loop().time(), tokens.fingerprint(token)
        until, remembered = self._attempts.get(name, (now, None))
        if until > now:
            return remembered
        async with self._database.transaction() as session:
            found = await tokens.find_attempt(session, name)
        self._attempts.pop(name, None)
        if found is not None:
            if len(self._attempts) >= MOST_REMEMBERED:
                self._attempts.clear()
            self._attempts[name] = (now + REMEMBER_SECONDS, found)
        return found

    async def _of_cookie(self, request: Request) -> Caller | None:
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        now, name = asyncio.get_running_loop().time(), tokens.fingerprint(cookie)
        if self._browsers.get(name, now) <= now:
            self._browsers.pop(name, None)
            async with self._database.transaction() as session:
                if not await browsing.is_open(session, name):
                    return None
            if len(self._browsers) >= MOST_REMEMBERED:
                self._browsers.clear()
            self._browsers[name] = now + REMEMBER_SECONDS
        _check_origin(request)
        return USER


def _check_origin(request: Request) -> None:
    # A browser sends the cookie by itself: what changes something must come from a page of ours.
    if request.method in _HARMLESS:
        return
    origin = request.headers.get("origin")
    if origin is None or origin.partition("://")[2] != request.headers.get("host"):
        raise denied("a page of another site may not change anything here")
