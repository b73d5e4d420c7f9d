"""One gateway as a client talks to it: addresses, the token, retries, and problems turned into errors.

A request is repeated when the connection failed or the gateway was away (502, 503, 504), and only if repeating it cannot
do a thing twice: reads, and writes that carry an idempotency key or state a whole.
"""

import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from tiltyard.client.errors import Misunderstood, Refused, Unreachable, refusal
from tiltyard.client.patience import Patience
from tiltyard.wire.problems import Problem

Answer = TypeVar("Answer")
Body = Callable[[], AsyncIterator[bytes]]
"""Makes a request's body anew, for every try."""

AWAY = frozenset({502, 503, 504})
_REPEATABLE = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_TIMEOUT = httpx.Timeout(60, connect=10)


def given(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a caller did give: a None says nothing."""
    return {name: value for name, value in (values or {}).items() if value is not None}


def segment(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")


def on_loopback(url: str) -> bool:
    """Whether a URL names this machine, where no proxy can help."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Connection:
    """A pool of connections to one gateway."""

    def __init__(self, url: str, token: str, *, retry_for: float) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"}
        self._retry_for = retry_for
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers=self.headers,
            timeout=_TIMEOUT,
            trust_env=not on_loopback(self.url),
        )

    def socket_url(self, path: str) -> str:
        """The address of a WebSocket."""
        return f"ws{self.url.removeprefix('http')}/api/v1/{path}"

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        answer_within: float | None = None,
        repeatable: bool | None = None,
        retry_for: float | None = None,
    ) -> httpx.Response:
        """Send a request until it is answered.

        Raises:
            Refused: the answer is a problem.
            Unreachable: nothing was answered for too long.
        """
        may_repeat = method in _REPEATABLE if repeatable is None else repeatable
        patience = Patience(self._retry_for if retry_for is None else retry_for, self.url)
        while True:
            request = self._http.build_request(
                method,
                f"/{path}",  # without the slash `jobs:validate` would be a URL of the scheme `jobs`
                params=given(params),
                json=json,
                content=body() if body else None,
                headers=headers,
                timeout=_TIMEOUT if answer_within is None else httpx.Timeout(answer_within, connect=10),
            )
            try:
                answer = await self._http.send(request)
            except httpx.TransportError as error:
                if not (may_repeat or isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout))):
                    raise unreachable(self.url, error) from error
                await patience.bear(in_words(error))
                continue
            if answer.status_code in AWAY and may_repeat:
                await patience.bear(_away(answer), at_least=_retry_after(answer))
                continue
            if answer.is_error:
                raise read_refusal(answer)
            return answer

    async def ask(self, kind: type[Answer], method: str, path: str, **rest: Any) -> Answer:
        """Send a request, and read its answer as a wire model."""
        answer = await self.send(method, path, **rest)
        return self.read(kind, answer.content)

    def read(self, kind: type[Answer], content: bytes) -> Answer:
        """Read an answer as a wire model."""
        try:
            return TypeAdapter(kind).validate_json(content)
        except ValidationError as error:
            raise Misunderstood(
                f"{self.url} does not answer as a gateway of this version does ({error.errors()[0]['msg']})."
            ) from error

    @asynccontextmanager
    async def stream(
        self, path: str, *, answer_within: float | None = None, **params: Any
    ) -> AsyncIterator[httpx.Response]:
        """Open an answer whose body is read piece by piece. Only its opening is repeated."""
        timeout = _TIMEOUT if answer_within is None else httpx.Timeout(answer_within, connect=10)
        patience = Patience(self._retry_for, self.url)
        while True:
            request = self._http.build_request("GET", f"/{path}", params=given(params), timeout=timeout)
            request.headers["Accept-Encoding"] = "identity"
            try:
                answer = await self._http.send(request, stream=True)
            except httpx.TransportError as error:
                await patience.bear(in_words(error))
                continue
            try:
                if answer.is_error:
                    await answer.aread()
                if answer.status_code in AWAY:
                    await patience.bear(_away(answer), at_least=_retry_after(answer))
                    continue
                if answer.is_error:
                    raise read_refusal(answer)
                yield answer
            except httpx.TransportError as error:
                raise unreachable(self.url, error) from error
            finally:
                await answer.aclose()
            return


def in_words(error: Exception) -> str:
    """What went wrong with a connection, for a person."""
    match error:
        case (
            httpx.ConnectTimeout()
            | httpx.ReadTimeout()
            | httpx.WriteTimeout()
            | httpx.PoolTimeout()
            | TimeoutError()
        ):
            return "it does not answer in time"
        case httpx.RemoteProtocolError():
            return "it closed the connection before its answer"
        case httpx.ConnectError() | ConnectionRefusedError() if "ssl" not in str(error).lower():
            return "nothing listens there"
        case _:
            return str(error).rstrip(".") or type(error).__name__


def unreachable(url: str, error: Exception) -> Unreachable:
    """The error for a connection that failed where trying again could do harm."""
    return Unreachable(f"The gateway at {url} cannot be reached: {in_words(error)}.")


def read_refusal(answer: httpx.Response) -> Refused:
    """The error that an answer carries, also one by a proxy that knows nothing of problems."""
    try:
        problem = Problem.model_validate_json(answer.content)
    except ValidationError:
        detail = f"{answer.request.url.host} answered {answer.status_code} {answer.reason_phrase}"
        problem = Problem(
            title=answer.reason_phrase,
            status=answer.status_code,
            detail=detail,
            code=f"http_{answer.status_code}",
        )
    return refusal(problem)


def _away(answer: httpx.Response) -> str:
    return f"it answers {answer.status_code}, {str(read_refusal(answer)).rstrip('.')}"


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0
