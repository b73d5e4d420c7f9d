"""`/mlflow` as an application of its own: every request goes through the same few steps, and each can refuse it.

Read the path as it came; find the call; ask who is asking; read and judge the body; pass it on.
"""

import json

import structlog
from fastapi.responses import RedirectResponse, Response
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from tiltyard_api.mlflow.bodies import Json, check_body, read_body
from tiltyard_api.mlflow.browser import enter, stranger, wants_page
from tiltyard_api.mlflow.callers import Callers
from tiltyard_api.mlflow.calls import Call, find_call
from tiltyard_api.mlflow.experiments import ExperimentCalls
from tiltyard_api.mlflow.forward import pass_on
from tiltyard_api.mlflow.places import read_place, read_query, write_place, write_query
from tiltyard_api.mlflow.refusal import Refusal, answer, translated
from tiltyard_api.mlflow.rules import Rules
from tiltyard_api.parts import Parts, parts_of
from tiltyard_orchestrator.tracking.experiments import TrackedExperiments
from tiltyard_orchestrator.tracking.server import Tracking

log = structlog.get_logger(__name__)

PREFIX = "/mlflow"
LARGEST_BODY = 16 << 20


class Mlflow:
    """What stands behind `/mlflow`.

    Args:
        parts: the gateway's.
        tracking: MLflow.
        experiments: the experiments in it.
    """

    def __init__(self, parts: Parts, tracking: Tracking, experiments: TrackedExperiments) -> None:
        self._parts = parts
        self._tracking = tracking
        self._callers = Callers(parts.guests, parts.database)
        self._rules = Rules(tracking, experiments)
        self._experiments = ExperimentCalls(parts, tracking, experiments)

    async def answer(self, request: Request, raw: str) -> Response:
        """Answer a request for a path below `/mlflow/`.

        Raises:
            Refusal: it is not for this caller, or for nobody.
            TrackingAway: MLflow does not answer.
        """
        if raw == "enter" and request.method == "GET":
            return await enter(self._parts, request)
        caller = await self._callers.identify(request)
        segments = read_place(raw)
        call = find_call(request.method, segments)
        if call.name == "POST graphql" and caller.role != "user":
            raise Refusal("ENDPOINT_NOT_FOUND", "MLflow's GraphQL is for its own pages alone")
        query = read_query(request.scope["query_string"].decode("latin-1"))
        url = write_place(segments) + (f"?{write_query(query)}" if query else "")
        body, content = await _read(call, request)
        await self._rules.judge(caller, call, body)
        if answering := self._experiments.names.get(call.name):
            return await answering(caller, body)
        return await self._pass_on(call, request, url, body, content)

    async def _pass_on(
        self, call: Call, request: Request, url: str, body: Json, content: bytes | None
    ) -> Response:
        if content:
            content = json.dumps(body).encode()
        return await pass_on(self._tracking, call, request, url, content)


async def _read(call: Call, request: Request) -> tuple[Json, bytes | None]:
    """The body of a call, where it is one that is read here."""
    if not call.rest or request.method in {"GET", "HEAD"}:
        return {}, None
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LARGEST_BODY:
            raise Refusal("RESOURCE_EXHAUSTED", f"a message has {LARGEST_BODY >> 20} MiB at most")
    body = read_body(bytes(content))
    check_body(call, body)
    return body, bytes(content)


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer whatever is asked below `/mlflow`, in MLflow's own words where it is refused."""
    request = Request(scope, receive)
    begun = False

    async def sending(message: Message) -> None:
        nonlocal begun
        begun = True
        await send(message)

    try:
        await (await _answered(request))(scope, receive, sending)
    except ClientDisconnect:
        return
    except Exception as error:
        if begun:  # the connection is cut, so that half an answer is not taken for a whole one
            raise
        await answer(translated(error))(scope, receive, send)


async def root(_request: Request) -> Response:
    """Lead to the folder: MLflow's pages name their parts relative to it."""
    return RedirectResponse(f"{PREFIX}/", status_code=307)


async def _answered(request: Request) -> Response:
    here = parts_of(request)
    raw = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    if here.tracking is None or here.experiments is None:
        raise Refusal("ENDPOINT_NOT_FOUND", "this testbed has no MLflow")
    state = request.app.state
    if not hasattr(state, "mlflow"):
        state.mlflow = Mlflow(here, here.tracking, here.experiments)
    mlflow: Mlflow = state.mlflow
    try:
        return await mlflow.answer(request, raw.removeprefix(f"{PREFIX}/"))
    except Refusal as refusal:
        if refusal.code == "UNAUTHENTICATED" and wants_page(request):
            return stranger()
        raise
