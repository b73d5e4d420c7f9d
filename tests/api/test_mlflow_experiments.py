"""An experiment of ours and one of MLflow's are made, renamed and removed together, also when one is away for a while."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from tests.api.conftest import USER, Gateway, Start
from tests.servers import PATIENCE, free_port
from tiltyard_orchestrator.tracking import experiments as tracked


@pytest.fixture
async def gateway(start_gateway: Start, mlflow_url: str) -> AsyncIterator[Gateway]:
    async with start_gateway(mlflow_url=mlflow_url) as running:
        yield running


@pytest.fixture
def name() -> str:
    return f"x {secrets.token_hex(4)}"


class Mlflow:
    """MLflow as it is, asked past the gateway."""

    def __init__(self, url: str) -> None:
        self._http = httpx.AsyncClient(base_url=f"{url}/api/2.0/mlflow", timeout=PATIENCE, trust_env=False)

    async def named(self, name: str) -> dict[str, Any] | None:
        answer = await self._http.get("/experiments/get-by-name", params={"experiment_name": name})
        return dict(answer.json()["experiment"]) if answer.is_success else None

    async def known(self, mlflow_id: str) -> dict[str, Any]:
        answer = await self._http.get("/experiments/get", params={"experiment_id": mlflow_id})
        return dict(answer.raise_for_status().json()["experiment"])

    async def id_of(self, name: str) -> str | None:
        found = await self.named(name)
        return str(found["experiment_id"]) if found and found["lifecycle_stage"] == "active" else None

    async def post(self, call: str, **body: Any) -> dict[str, Any]:
        return dict((await self._http.post(call, json=body)).raise_for_status().json())

    async def close(self) -> None:
        await self._http.aclose()


@pytest.fixture
async def mlflow(mlflow_url: str) -> AsyncIterator[Mlflow]:
    asked = Mlflow(mlflow_url)
    yield asked
    await asked.close()


async def through(gateway: Gateway, call: str, **body: Any) -> httpx.Response:
    """What a client of MLflow's does with a user's token."""
    url = f"{gateway.url}/mlflow/api/2.0/mlflow/experiments/{call}"
    return await gateway.nobody.post(url, json=body, headers={"Authorization": f"Bearer {USER}"})


async def test_ours_is_made_renamed_and_removed_in_mlflow_with_its_runs(
    gateway: Gateway, mlflow: Mlflow, name: str, until: Any
) -> None:
    await gateway.user.post("/experiments", json={"name": name})
    await until(lambda: mlflow.id_of(name))
    made = await mlflow.id_of(name)
    assert made is not None
    run = (await mlflow.post("/runs/create", experiment_id=made))["run"]["info"]["run_id"]
    await gateway.user.patch(f"/experiments/{name}", json={"name": f"{name} b"})
    await until(lambda: mlflow.id_of(f"{name} b"))
    assert await mlflow.id_of(f"{name} b") == made
    assert (await gateway.user.delete(f"/experiments/{name} b")).status_code == 204

    async def is_gone() -> bool:
        return (await mlflow.known(made))["lifecycle_stage"] == "deleted"

    await until(is_gone)
    found = await mlflow.post("/runs/search", experiment_ids=[made], run_view_type="DELETED_ONLY")
    assert [one["info"]["run_id"] for one in found["runs"]] == [run]
    await gateway.user.post("/experiments", json={"name": f"{name} b"})
    await until(lambda: mlflow.id_of(f"{name} b"))
    assert await mlflow.id_of(f"{name} b") != made, "what was removed does not come back"


async def test_mlflows_client_makes_renames_and_removes_ours(
    gateway: Gateway, mlflow: Mlflow, name: str
) -> None:
    made = await through(gateway, "create", name=name, tags=[{"key": "a", "value": "b"}])
    assert made.is_success, made.text
    mlflow_id = made.json()["experiment_id"]
    assert (await mlflow.known(mlflow_id))["tags"] == [{"key": "a", "value": "b"}]
    assert (await gateway.user.get(f"/experiments/{name}")).is_success
    twice = await through(gateway, "create", name=name)
    assert (twice.status_code, twice.json()["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    assert (await through(gateway, "update", experiment_id=mlflow_id, new_name=f"{name} b")).is_success
    assert (await gateway.user.get(f"/experiments/{name} b")).is_success
    assert await mlflow.id_of(f"{name} b") == mlflow_id
    assert (await through(gateway, "delete", experiment_id=mlflow_id)).is_success
    assert (await gateway.user.get(f"/experiments/{name} b")).status_code == 404
    assert (await mlflow.known(mlflow_id))["lifecycle_stage"] == "deleted"
    back = await through(gateway, "restore", experiment_id=mlflow_id)
    assert (back.status_code, back.json()["error_code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("bad", ["a/b", "", "x" * 201, "a?b", None, 7])
async def test_our_rules_for_names_are_mlflows_too(gateway: Gateway, bad: object) -> None:
    refused = await through(gateway, "create", name=bad)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_an_experiment_whose_jobs_run_is_not_removed(
    gateway: Gateway, mlflow: Mlflow, name: str, until: Any
) -> None:
    await gateway.running(experiment=name)
    await until(lambda: mlflow.id_of(name))
    mlflow_id = await mlflow.id_of(name)
    refused = await through(gateway, "delete", experiment_id=mlflow_id)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_STATE")
    assert "have not ended" in refused.json()["message"]
    assert (await through(gateway, "delete", experiment_id="0")).status_code == 403, (
        "MLflow's own is left alone"
    )


async def test_one_that_was_deleted_in_mlflow_is_set_aside(
    gateway: Gateway, mlflow: Mlflow, name: str, until: Any
) -> None:
    old = (await mlflow.post("/experiments/create", name=name))["experiment_id"]
    await mlflow.post("/experiments/delete", experiment_id=old)
    await gateway.user.post("/experiments", json={"name": name})
    await until(lambda: mlflow.id_of(name))
    assert await mlflow.id_of(name) != old
    assert (await mlflow.known(old))["name"] == f"{name} (deleted {old})"


async def test_one_that_mlflow_lost_is_made_again_when_a_job_needs_it(
    gateway: Gateway, mlflow: Mlflow, name: str, until: Any
) -> None:
    await gateway.user.post("/experiments", json={"name": name})
    await until(lambda: mlflow.id_of(name))
    lost = await mlflow.id_of(name)
    await mlflow.post("/experiments/delete", experiment_id=lost)
    url = f"{gateway.url}/mlflow/api/2.0/mlflow/experiments/create"
    headers = {"Authorization": gateway.worker.headers["Authorization"]}
    made = await gateway.nobody.post(url, json={"name": name}, headers=headers)
    assert made.json() == {"experiment_id": await mlflow.id_of(name)}
    assert made.json()["experiment_id"] != lost


@asynccontextmanager
async def line_to(url: str, port: int) -> AsyncIterator[None]:
    """A port that leads to a server, while the block lasts; then it is cut, and with it every connection through it."""
    host, _, real = url.removeprefix("http://").partition(":")
    ends: set[asyncio.StreamWriter] = set()
    lines: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None, "a server serves in tasks"
        lines.add(line)
        ends.add(writer)
        back, forth = await asyncio.open_connection(host, int(real))
        ends.add(forth)
        with suppress(OSError):
            await asyncio.gather(_copy(reader, forth), _copy(back, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield
    for end in ends:
        end.transport.abort()
    await asyncio.gather(*lines, return_exceptions=True)


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        sink.write(data)
        await sink.drain()
    sink.close()


async def test_what_happened_while_mlflow_was_away_is_told_when_it_is_back(
    start_gateway: Start,
    mlflow: Mlflow,
    mlflow_url: str,
    name: str,
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracked, "AWAY_SECONDS", 0.1)
    monkeypatch.setattr(tracked, "EVERY_SECONDS", 0.1)
    port = free_port()
    names = [f"{name} {letter}" for letter in "abc"]
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(start_gateway(mlflow_url=f"http://127.0.0.1:{port}"))
        async with line_to(mlflow_url, port):
            for one in names:
                await gateway.user.post("/experiments", json={"name": one})
                await until(lambda one=one: mlflow.id_of(one))
        a, b, c = [await mlflow.id_of(one) for one in names]
        await gateway.user.patch(f"/experiments/{names[0]}", json={"name": f"{name} d"})
        await gateway.user.patch(f"/experiments/{names[1]}", json={"name": names[0]})
        await gateway.user.delete(f"/experiments/{names[2]}")
        await gateway.user.post("/experiments", json={"name": names[2]})
        refused = await through(gateway, "create", name=f"{name} e")
        assert (refused.status_code, refused.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        await stack.enter_async_context(line_to(mlflow_url, port))

        async def agrees() -> bool:
            now = [await mlflow.id_of(f"{name} {letter}") for letter in "dace"]
            return now[:2] == [a, b] and now[2] not in {None, c} and now[3] is not None

        await until(agrees)
        assert (await mlflow.known(str(c)))["lifecycle_stage"] == "deleted"


async def test_two_gateways_and_names_that_change_places_end_in_agreement(
    start_gateway: Start,
    mlflow: Mlflow,
    mlflow_url: str,
    name: str,
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tracked, "EVERY_SECONDS", 0.05)
    async with start_gateway(mlflow_url=mlflow_url) as one, start_gateway(mlflow_url=mlflow_url) as other:
        for letter in "ab":
            await one.user.post("/experiments", json={"name": f"{name} {letter}"})
            await until(lambda letter=letter: mlflow.id_of(f"{name} {letter}"))
        a, b = [await mlflow.id_of(f"{name} {letter}") for letter in "ab"]
        for before, after in (("a", "t"), ("b", "a"), ("t", "b")):
            gateway = other if before == "b" else one
            url = f"/experiments/{name} {before}"
            assert (await gateway.user.patch(url, json={"name": f"{name} {after}"})).is_success

        async def changed_places() -> bool:
            return [await mlflow.id_of(f"{name} {letter}") for letter in "ba"] == [a, b]

        await until(changed_places)
        await asyncio.gather(*(g.user.post("/experiments", json={"name": f"{name} c"}) for g in (one, other)))
        await until(lambda: mlflow.id_of(f"{name} c"))
