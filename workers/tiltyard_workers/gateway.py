"""The worker's end of the protocol: claim, report, finish, release, over HTTP with time-outs on every call."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, TypeVar
from urllib.parse import quote

import httpx

from tiltyard.wire import (
    Claim,
    ClaimRequest,
    Finish,
    FinishAnswer,
    PluginPin,
    Report,
    ReportAnswer,
    Worker,
    WorkerHeartbeat,
)
from tiltyard.wire.model import WireModel

Answer = TypeVar("Answer", bound=WireModel)
RELEASE_SECONDS = 2.0
"""A worker that is to stop now does not wait longer for it."""


class Superseded(Exception):
    """The job is not this attempt's any more: stop it, and forget it."""


class Away(Exception):
    """The gateway did not answer, or not now; what was sent is to be sent again."""


class Refused(Exception):
    """The gateway answered that it will not have it; sending it again changes nothing."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail or code)
        self.status = status
        self.code = code


class Gateway:
    """A connection to the gateway; safe to use from several threads.

    Args:
        url: the gateway's address.
        token: the worker's token.
    """

    def __init__(self, url: str, token: str) -> None:
        self._token = token
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/",
            timeout=httpx.Timeout(10, connect=5),
            trust_env=False,
            limits=httpx.Limits(max_connections=8, keepalive_expiry=20),
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def heartbeat(self, worker: str, said: WorkerHeartbeat) -> Worker:
        """Say what this worker does."""
        return self._send("PUT", f"workers/{quote(worker)}", self._token, said, Worker)

    def claim(self, queue: str, asked: ClaimRequest) -> Claim:
        """Ask for the next job of a queue."""
        return self._send("POST", f"queues/{quote(queue)}/claim", self._token, asked, Claim)

    def report(self, claim: Claim, news: Report) -> ReportAnswer:
        """Send news of an attempt, and renew its lease."""
        return self._send("POST", f"{_attempt(claim)}/report", claim.token, news, ReportAnswer)

    def finish(self, claim: Claim, result: Finish) -> FinishAnswer:
        """Send an attempt's result."""
        return self._send("POST", f"{_attempt(claim)}/finish", claim.token, result, FinishAnswer)

    def release(self, claim: Claim) -> None:
        """Hand a job back."""
        with _translated():
            answer = self._http.post(
                f"{_attempt(claim)}/release", headers=_bearer(claim.token), timeout=RELEASE_SECONDS
            )
        _checked(answer)

    def put_artifact(
        self, claim: Claim, path: str, content: IO[bytes], *, size: int, sha256: str, media_type: str
    ) -> None:
        """Store a file of an attempt, as it was when it was measured."""
        url = f"{_attempt(claim)}/artifacts/{quote(path)}"
        headers = {"X-Content-SHA256": sha256, "Content-Type": media_type, "Content-Length": str(size)}
        with _translated():
            answer = self._http.put(
                url,
                content=_exactly(content, size),
                headers=headers | _bearer(claim.token),
                timeout=httpx.Timeout(60, connect=5),
            )
        _checked(answer)

    def archive(self, sha256: str) -> AbstractContextManager[Iterator[bytes]]:
        """Read a stored archive's bytes."""
        return self._content(f"archives/{sha256}/content")

    def plugin(self, pin: PluginPin) -> AbstractContextManager[Iterator[bytes]]:
        """Read the packed files of a plugin's version."""
        return self._content(f"plugins/{quote(pin.name)}/versions/{quote(pin.version)}/content")

    def input(self, claim: Claim, parameter: str) -> AbstractContextManager[Iterator[bytes]]:
        """Read the file of another job that a parameter of an attempt names."""
        return self._content(f"{_attempt(claim)}/inputs/{quote(parameter)}", token=claim.token)

    @contextmanager
    def _content(self, url: str, *, token: str = "") -> Iterator[Iterator[bytes]]:
        with (
            _translated(),
            self._http.stream("GET", url, headers=_bearer(token or self._token), timeout=60) as answer,
        ):
            if not answer.is_success:
                answer.read()
                _checked(answer)
            yield answer.iter_bytes()

    def _send(self, method: str, url: str, token: str, body: WireModel, kind: type[Answer]) -> Answer:
        headers = _bearer(token) | {"Content-Type": "application/json"}
        with _translated():
            answer = self._http.request(method, url, content=body.model_dump_json(), headers=headers)
        _checked(answer)
        try:
            return kind.model_validate_json(answer.content)
        except ValueError as error:
            # A proxy's page, or a gateway of another version: not an answer, and perhaps one the next time.
            raise Away(f"it answered {answer.status_code} with something else than it should") from error


def _exactly(content: IO[bytes], size: int) -> Iterator[bytes]:
    content.seek(0)
    left = size
    while left:
        chunk = content.read(min(left, 1 << 16))
        if not chunk:
            raise Refused(422, "digest_mismatch", "it became shorter while it was read")
        left -= len(chunk)
        yield chunk


def _attempt(claim: Claim) -> str:
    return f"attempts/{claim.job}/{claim.epoch}"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Away(f"the gateway did not answer: {error or type(error).__name__}") from error


def _checked(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    try:
        problem = answer.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        code, detail = "unreadable", answer.text[:200]
    if code == "attempt_superseded":
        raise Superseded(detail)
    # Two that met in the database's locks: one of them is asked to try again.
    again = code == "changed_meanwhile" or answer.status_code in {408, 425, 429, 507}
    if again or answer.status_code >= 500:
        raise Away(f"{answer.status_code} {code}: {detail}")
    raise Refused(answer.status_code, code, detail)
