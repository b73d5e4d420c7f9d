"""MLflow behind the gateway, with MLflow's own server behind and MLflow's own client before it."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from sklearn.linear_model import LinearRegression

from tests.api.conftest import USER, Gateway, Start
from tests.servers import PATIENCE, free_port
from tiltyard.wire import Claim

RUNS = "/mlflow/api/2.0/mlflow/runs"
FILES = "/mlflow/api/2.0/mlflow-artifacts/artifacts"
METRIC = {"key": "a", "value": 1, "timestamp": 1}


@pytest.fixture
async def gateway(start_gateway: Start, mlflow_url: str) -> AsyncIterator[Gateway]:
    async with start_gateway(mlflow_url=mlflow_url) as running:
        yield running


@pytest.fixture
def name() -> str:
    """An experiment's name that no other test uses."""
    return f"e {secrets.token_hex(4)}"


@pytest.fixture
def as_client(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Do something with MLflow's own client, on a thread, with somebody's token."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    async def do(call: Callable[..., Any], *args: Any, token: str = USER, **more: Any) -> Any:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{gateway.url}/mlflow")
        return await asyncio.to_thread(call, MlflowClient(f"{gateway.url}/mlflow"), *args, **more)

    return do


class Caller:
    """Plain HTTP below /mlflow, with somebody's token."""

    def __init__(self, gateway: Gateway, token: str) -> None:
        self._gateway = gateway
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = self._headers | more.pop("headers", {})
        url = f"{self._gateway.url}{path}"
        return await self._gateway.nobody.request(method, url, json=body, headers=headers, **more)


@pytest.fixture
def user(gateway: Gateway) -> Caller:
    return Caller(gateway, USER)


async def job_with_run(gateway: Gateway, user: Caller, name: str) -> tuple[Claim, Caller, str]:
    """A job that runs, what its script may do, and its run, which its worker made."""
    claim = await gateway.running(experiment=name)
    worker = Caller(gateway, gateway.worker.headers["Authorization"].removeprefix("Bearer "))
    made = await worker("POST", "/mlflow/api/2.0/mlflow/experiments/create", {"name": name})
    tags = [{"key": "tiltyard.job", "value": claim.job}]
    run = await worker("POST", f"{RUNS}/create", {**made.json(), "start_time": 1, "tags": tags})
    assert run.is_success, run.text
    return claim, Caller(gateway, claim.token), str(run.json()["run"]["info"]["run_id"])


def denied(answer: httpx.Response, *words: str) -> bool:
    said = answer.json()
    assert (answer.status_code, said["error_code"]) == (403, "PERMISSION_DENIED"), answer.text
    assert all(word in said["message"] for word in words), said["message"]
    return True


async def test_an_unmodified_client_records_and_finds_its_run(
    as_client: Any, gateway: Gateway, name: str
) -> None:
    def record(client: MlflowClient) -> tuple[str, float, bytes]:
        mlflow.set_experiment(name)
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", float("nan"), step=3)
            mlflow.log_metric("accuracy", 0.5)
            mlflow.log_text("hello", "notes/ü 100%.txt")
        found = client.search_runs([run.info.experiment_id], "metrics.accuracy > 0.4")
        text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/ü 100%.txt")
        return str(found[0].info.run_id), found[0].data.metrics["accuracy"], text.encode()

    run_id, accuracy, text = await as_client(record)
    assert (len(run_id), accuracy, text) == (32, 0.5, b"hello")
    ours = await gateway.user.get(f"/experiments/{name}")
    assert ours.json()["name"] == name


@pytest.mark.filterwarnings("ignore")  # MLflow's of itself
async def test_an_unmodified_script_logs_registers_and_names_its_model_in_a_job(
    as_client: Any, gateway: Gateway, user: Caller, name: str
) -> None:
    claim, _, run_id = await job_with_run(gateway, user, name)
    registered = f"m{secrets.token_hex(4)}"

    def record(client: MlflowClient) -> tuple[str, float, Any]:
        mlflow.set_experiment("a name of the script's own")
        with mlflow.start_run(run_id=run_id):
            info = mlflow.sklearn.log_model(
                LinearRegression().fit([[1.0]], [2.0]), name="model", registered_model_name=registered, pip_requirements=[]
            )  # fmt: skip
            mlflow.log_metric("of_the_model", 2, model_id=info.model_id)
            client._record_logged_model(run_id, Model("model", run_id, flavors={"sklearn": {"version": "1"}}))
        client.set_registered_model_alias(registered, "champion", "1")
        version = client.get_model_version_by_alias(registered, "champion")
        logged = client.get_run(run_id).data.tags["mlflow.log-model.history"]
        return version.run_id, client.get_logged_model(info.model_id).metrics[0].value, logged

    of, value, logged = await as_client(record, token=claim.token)
    assert (of, value) == (run_id, 2)
    assert '"sklearn": {"version": "1"}' in logged


async def test_who_shows_no_token_learns_nothing_and_a_browser_how_to_come_in(gateway: Gateway) -> None:
    nobody = Caller(gateway, "")
    said = await nobody("GET", "/mlflow/version")
    assert (said.status_code, said.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert (await Caller(gateway, "wrong")("GET", "/mlflow/")).status_code == 401
    assert (await Caller(gateway, "tya_wrong")("GET", "/mlflow/")).status_code == 401
    page = await nobody("GET", "/mlflow/", headers={"Accept": "text/html"})
    assert page.status_code == 401
    assert "tiltyard mlflow" in page.text
    assert (await nobody("GET", "/mlflow")).headers["location"] == "/mlflow/"


async def test_what_is_not_served_is_a_problem_that_mlflows_client_understands(user: Caller) -> None:
    said = await user("GET", "/mlflow/api/3.0/mlflow/gateway/secrets/list")
    assert said.headers["content-type"] == "application/problem+json"
    assert (said.status_code, said.json()["code"], said.json()["error_code"]) == (
        404,
        "not_served",
        "ENDPOINT_NOT_FOUND",
    )


@pytest.mark.parametrize(
    "raw",
    [
        "/mlflow/static-files/../../../etc/passwd", "/mlflow/static-files/%2e%2e/%2e%2e/etc/passwd",
        "/mlflow/api/2.0/mlflow-artifacts/artifacts/%252e%252e/x", "/mlflow/get-artifact?path=..%2f..%2fx&run_uuid=a",
        "/mlflow//api/2.0/mlflow/runs/get", "/mlflow/api/2.0/mlflow/artifacts/list?run_id=a&path=%252e%252e",
        "/mlflow/..;/x",
    ],
)  # fmt: skip
async def test_no_spelling_of_a_path_climbs(gateway: Gateway, raw: str) -> None:
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {raw} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {USER}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"INVALID_PARAMETER_VALUE" in answer


async def test_a_job_writes_to_its_own_run(gateway: Gateway, user: Caller, name: str) -> None:
    _, job, run = await job_with_run(gateway, user, name)
    assert (await job("POST", f"{RUNS}/log-metric", {"run_id": run, **METRIC})).is_success
    experiment = (await job("GET", f"{RUNS}/get?run_id={run}")).json()["run"]["info"]["experiment_id"]
    put = await job("PUT", f"{FILES}/{experiment}/{run}/artifacts/x/y.txt", content=b"bytes")
    assert put.is_success, put.text
    assert (await user("GET", f"{FILES}/{experiment}/{run}/artifacts/x/y.txt")).content == b"bytes"
    child = await job("POST", f"{RUNS}/create", {"experiment_id": experiment, "start_time": 1})
    assert child.is_success, child.text
    tags = {tag["key"] for tag in child.json()["run"]["data"]["tags"]}
    assert "tiltyard.job" in tags
    own = child.json()["run"]["info"]["run_id"]
    assert (await job("POST", f"{RUNS}/set-tag", {"run_id": own, "key": "a", "value": "b"})).is_success


async def test_a_job_writes_to_no_other_run_and_is_told_what_it_may(
    gateway: Gateway, user: Caller, name: str
) -> None:
    other, other_job, run = await job_with_run(gateway, user, name)
    claim, job, own = await job_with_run(gateway, user, f"{name} b")
    said = await job("POST", f"{RUNS}/log-metric", {"run_id": run, **METRIC})
    assert denied(said, other.job, claim.job, "a job may read everything")
    assert denied(
        await job("POST", f"{RUNS}/log-metric", {"run_id": own, "run_uuid": run, **METRIC}), other.job
    )
    assert (await job("GET", f"{RUNS}/get?run_id={run}")).is_success, "reading is free"
    experiment = (await user("GET", f"{RUNS}/get?run_id={run}")).json()["run"]["info"]["experiment_id"]
    assert denied(await job("PUT", f"{FILES}/{experiment}/{run}/artifacts/x", content=b"x"), other.job)
    mine = (await user("GET", f"{RUNS}/get?run_id={own}")).json()["run"]["info"]["experiment_id"]
    assert denied(await job("PUT", f"{FILES}/{experiment}/{own}/artifacts/x", content=b"x"))
    assert denied(await job("PUT", f"{FILES}/{mine}/{own}/elsewhere", content=b"x"))
    assert denied(await job("DELETE", f"{FILES}/{mine}/{own}/artifacts/x"))
    assert denied(await job("POST", f"{RUNS}/create", {"experiment_id": experiment}), f"{name} b")
    assert denied(await job("POST", f"{RUNS}/delete", {"run_id": own}))
    for change in ({"key": "tiltyard.job", "value": "x"}, {"key": " Tiltyard.x", "value": "x"}):
        assert denied(await job("POST", f"{RUNS}/set-tag", {"run_id": own, **change}), "tiltyard.")
    assert denied(await job("POST", f"{RUNS}/delete-tag", {"run_id": own, "key": "tiltyard.job"}))
    assert denied(
        await job(
            "POST", f"{RUNS}/log-batch", {"run_id": own, "tags": [{"key": "tiltyard.job", "value": "x"}]}
        )
    )
    assert (
        await job("POST", f"{RUNS}/log-metric", {"runId": run, "run_id": own, **METRIC})
    ).status_code == 400
    await gateway.finish(other)
    late = await other_job("POST", f"{RUNS}/log-metric", {"run_id": run, **METRIC})
    assert late.status_code in {200, 401}, "what was looked up is remembered for two seconds"


async def test_a_job_registers_models_of_its_own_run_alone(gateway: Gateway, user: Caller, name: str) -> None:
    _, _, foreign = await job_with_run(gateway, user, name)
    _, job, run = await job_with_run(gateway, user, f"{name} b")
    api = "/mlflow/api/2.0/mlflow"
    model = f"m{secrets.token_hex(4)}"
    assert (await job("POST", f"{api}/registered-models/create", {"name": model})).is_success
    theirs = {"name": model, "source": f"runs:/{foreign}/model", "run_id": foreign}
    assert denied(await job("POST", f"{api}/model-versions/create", theirs))
    assert denied(
        await job("POST", f"{api}/model-versions/create", {"name": model, "source": "models:/other/1"})
    )
    mixed = {"name": model, "source": f"runs:/{foreign}/model", "run_id": run}
    assert denied(await job("POST", f"{api}/model-versions/create", mixed))
    made = await job(
        "POST", f"{api}/model-versions/create", {"name": model, "source": f"runs:/{run}/model", "run_id": run}
    )
    assert made.is_success, made.text
    alias = {"name": model, "alias": "champion", "version": "1"}
    assert (await job("POST", f"{api}/registered-models/alias", alias)).is_success
    outside = await user("POST", f"{api}/model-versions/create", theirs)
    assert outside.is_success, outside.text
    assert denied(await job("POST", f"{api}/registered-models/alias", {**alias, "version": "2"}))
    stage = {"name": model, "version": "1", "stage": "Production"}
    assert denied(
        await job(
            "POST", f"{api}/model-versions/transition-stage", stage | {"archive_existing_versions": True}
        ),
        "archive_existing_versions",
    )
    stage["archive_existing_versions"] = False
    assert (await job("POST", f"{api}/model-versions/transition-stage", stage)).is_success
    assert denied(await job("DELETE", f"{api}/registered-models/delete", {"name": model}))
    assert (await job("POST", f"{api}/registered-models/alias", alias)).is_success, "it stands on its own"
    assert (await user("POST", f"{api}/registered-models/alias", {**alias, "version": "2"})).is_success
    moved = await job("POST", f"{api}/registered-models/alias", alias)
    assert denied(moved, "the alias 'champion' stands on a version that is not this job's")
    asked = f"{api}/registered-models/alias?name={model}&alias=champion"
    assert (await user("GET", asked)).json()["model_version"]["version"] == "2"
    assert denied(await job("DELETE", f"{api}/registered-models/alias", {"name": model, "alias": "champion"}))
    assert (await job("POST", f"{api}/registered-models/alias", {**alias, "alias": "mine"})).is_success
    tag = {"name": model, "version": "1", "key": "seen", "value": "yes"}
    assert (await job("POST", f"{api}/model-versions/set-tag", tag)).is_success


async def test_a_job_removes_runs_that_it_made_and_no_other(
    gateway: Gateway, user: Caller, name: str
) -> None:
    other, their_job, their_run = await job_with_run(gateway, user, name)
    _, job, own = await job_with_run(gateway, user, f"{name} b")

    async def nested(of: Caller, beside: str) -> str:
        wanted = {"experiment_id": await experiment_of(user, beside), "start_time": 1}
        return str((await of("POST", f"{RUNS}/create", wanted)).json()["run"]["info"]["run_id"])

    async def stage(run: str) -> str:
        return str((await user("GET", f"{RUNS}/get?run_id={run}")).json()["run"]["info"]["lifecycle_stage"])

    mine = await nested(job, own)
    assert (await job("POST", f"{RUNS}/delete", {"run_id": mine})).is_success
    assert await stage(mine) == "deleted"
    assert (await job("POST", f"{RUNS}/restore", {"run_id": mine})).is_success
    assert await stage(mine) == "active"
    theirs = await nested(their_job, their_run)
    for verb in ("delete", "restore"):
        assert denied(await job("POST", f"{RUNS}/{verb}", {"run_id": theirs}), other.job)
        assert denied(
            await job("POST", f"{RUNS}/{verb}", {"run_id": own}), "the record of this job's attempt"
        )
    said = {"run_id": own, "key": "tiltyard.nested", "value": "true"}
    assert denied(await job("POST", f"{RUNS}/set-tag", said)), (
        "nor does it say that the record is one of them"
    )
    assert {await stage(run) for run in (own, theirs)} == {"active"}


async def test_a_job_describes_and_tags_the_registered_models_that_it_began_and_no_other(
    gateway: Gateway, user: Caller, name: str
) -> None:
    _, job, _ = await job_with_run(gateway, user, name)
    other, their_job, _ = await job_with_run(gateway, user, f"{name} b")
    models = "/mlflow/api/2.0/mlflow/registered-models"
    mine, theirs, nobodys = (f"{whose}-{secrets.token_hex(4)}" for whose in ("mine", "theirs", "nobodys"))
    given = {"tags": [{"key": "kind", "value": "linear"}]}
    for of, model in ((job, mine), (their_job, theirs), (user, nobodys)):
        assert (await of("POST", f"{models}/create", {"name": model} | given)).is_success
    changes: list[tuple[str, str, Any]] = [
        ("PATCH", "update", {"description": "a line"}),
        ("POST", "set-tag", {"key": "seen", "value": "yes"}),
        ("DELETE", "delete-tag", {"key": "kind"}),
    ]
    for method, call, change in changes:
        assert (await job(method, f"{models}/{call}", {"name": mine} | change)).is_success
        assert denied(await job(method, f"{models}/{call}", {"name": theirs} | change), other.job)
        assert denied(await job(method, f"{models}/{call}", {"name": nobodys} | change), "no job's")
        missing = await job(method, f"{models}/{call}", {"name": f"{mine}-not"} | change)
        assert (missing.status_code, missing.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    for key in ("tiltyard.job", " Tiltyard.job"):
        assert denied(await job("POST", f"{models}/set-tag", {"name": mine, "key": key, "value": "x"}))
    assert denied(await job("POST", f"{models}/rename", {"name": mine, "new_name": f"{mine}-2"}))
    found = (await user("GET", f"{models}/get?name={mine}")).json()["registered_model"]
    tags = {tag["key"]: tag["value"] for tag in found["tags"]}
    assert (found["description"], tags.get("seen"), "kind" in tags) == ("a line", "yes", False)


async def test_a_version_of_a_model_that_a_job_logged_to_no_run_is_its_own_as_well(
    gateway: Gateway, user: Caller, name: str
) -> None:
    _, job, run = await job_with_run(gateway, user, name)
    _, stranger, _ = await job_with_run(gateway, user, f"{name} b")
    api, model = "/mlflow/api/2.0/mlflow", f"m-{secrets.token_hex(4)}"
    logged = await logged_model(job, await experiment_of(user, run), None)
    await job("POST", f"{api}/registered-models/create", {"name": model})
    source = {"name": model, "source": f"models:/{logged}", "model_id": logged}
    assert (await job("POST", f"{api}/model-versions/create", source)).is_success
    version = {"name": model, "version": "1"}
    for call, change in (
        ("model-versions/set-tag", {"key": "seen", "value": "yes"}),
        ("registered-models/alias", {"alias": "champion"}),
    ):
        assert denied(await stranger("POST", f"{api}/{call}", version | change))
        said = await job("POST", f"{api}/{call}", version | change)
        assert said.is_success, said.text
    gone = {"name": model, "alias": "champion"}
    assert denied(await stranger("DELETE", f"{api}/registered-models/alias", gone))
    assert (await job("DELETE", f"{api}/registered-models/alias", gone)).is_success


async def logged_model(job: Caller, experiment: str, run: str | None) -> str:
    """A model that a job logged."""
    said = {"experiment_id": experiment, "name": "model"} | ({} if run is None else {"source_run_id": run})
    made = await job("POST", "/mlflow/api/2.0/mlflow/logged-models", said)
    assert made.is_success, made.text
    return str(made.json()["model"]["info"]["model_id"])


async def experiment_of(job: Caller, run: str) -> str:
    """MLflow's id of the experiment that a run is in."""
    return str((await job("GET", f"{RUNS}/get?run_id={run}")).json()["run"]["info"]["experiment_id"])


async def test_a_job_says_nothing_of_another_jobs_model(gateway: Gateway, user: Caller, name: str) -> None:
    other, their_job, their_run = await job_with_run(gateway, user, name)
    _, job, run = await job_with_run(gateway, user, f"{name} b")
    theirs = await logged_model(their_job, await experiment_of(user, their_run), their_run)
    mine = await logged_model(job, await experiment_of(user, run), run)

    def said(spelling: str, model: str) -> list[tuple[str, Any]]:
        return [
            (
                "log-batch",
                {"run_id": run, "metrics": [{**METRIC, spelling: mine}, {**METRIC, spelling: model}]},
            ),
            ("outputs", {"run_id": run, "models": [{spelling: model, "step": 1}]}),
        ]

    at_the_top = "log-metric", {"run_id": run, **METRIC, "model_id": theirs}
    for path, body in (at_the_top, *said("model_id", theirs), *said("modelId", theirs)):
        assert denied(await job("POST", f"{RUNS}/{path}", body), other.job)
    for path, body in said("model_id", mine):
        assert (await job("POST", f"{RUNS}/{path}", body)).is_success
    reads = {"run_id": run, "models": [{"model_id": theirs}]}
    assert (await job("POST", f"{RUNS}/log-inputs", reads)).is_success, "what it read may be anybody's"


async def test_a_workers_token_records_and_changes_nothing_else(
    gateway: Gateway, user: Caller, name: str
) -> None:
    _, _, run = await job_with_run(gateway, user, name)
    worker = Caller(gateway, gateway.worker.headers["Authorization"].removeprefix("Bearer "))
    assert (await worker("POST", f"{RUNS}/update", {"run_id": run, "status": "FINISHED"})).is_success
    for path in ("runs/delete", "registered-models/create", "experiments/delete"):
        assert denied(await worker("POST", f"/mlflow/api/2.0/mlflow/{path}", {"run_id": run, "name": "x"}))


async def test_what_a_worker_tells_in_a_jobs_name_is_judged_as_the_jobs_own(
    gateway: Gateway, user: Caller, name: str
) -> None:
    other, _, foreign = await job_with_run(gateway, user, name)
    claim, _, run = await job_with_run(gateway, user, f"{name} b")
    await gateway.finish(claim)
    token = gateway.worker.headers["Authorization"].removeprefix("Bearer ")

    async def in_its_name(path: str, body: Any, job: str = claim.job) -> httpx.Response:
        headers = {"X-Tiltyard-Job": job}
        return await Caller(gateway, token)("POST", f"{RUNS}/{path}", body, headers=headers)

    assert (await in_its_name("log-metric", {"run_id": run, **METRIC})).is_success, "though it has ended"
    assert denied(await in_its_name("log-metric", {"run_id": foreign, **METRIC}), other.job)
    assert denied(await in_its_name("set-tag", {"run_id": run, "key": "tiltyard.job", "value": "x"}))
    for job in ("f" * 20, ""):
        assert (await in_its_name("log-metric", {"run_id": run, **METRIC}, job)).status_code == 404
    mine = {"headers": {"X-Tiltyard-Job": claim.job}}
    assert (await user("POST", f"{RUNS}/log-metric", {"run_id": foreign, **METRIC}, **mine)).is_success, (
        "a user is who the token says"
    )


async def test_a_job_that_names_an_experiment_of_its_own_stays_in_its_own(
    gateway: Gateway, user: Caller, name: str
) -> None:
    _, job, run = await job_with_run(gateway, user, name)
    got = await job("POST", "/mlflow/api/2.0/mlflow/experiments/create", {"name": "something else"})
    own = (await user("GET", f"{RUNS}/get?run_id={run}")).json()["run"]["info"]["experiment_id"]
    assert got.json() == {"experiment_id": own}


async def test_a_browser_comes_in_once_with_a_ticket_and_writes_only_from_our_own_pages(
    gateway: Gateway,
) -> None:
    ticket = (await gateway.user.post("/tickets")).json()["ticket"]
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE, trust_env=False) as browser:
        entered = await browser.get(f"/mlflow/enter?ticket={ticket}")
        assert (entered.status_code, entered.headers["location"]) == (303, "/mlflow/")
        cookie = entered.headers["set-cookie"]
        assert all(
            word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/mlflow", "Max-Age=43200")
        )
        page = await browser.get("/mlflow/")
        assert page.is_success
        assert "<title>MLflow</title>" in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        search = {"json": {"max_results": 5}}
        url = "/mlflow/ajax-api/2.0/mlflow/experiments/search"
        assert (await browser.post(url, headers={"Origin": gateway.url}, **search)).is_success
        for origin in ({}, *({"Origin": said} for said in ("https://evil.example", "null", "http://["))):
            assert denied(await browser.post(url, headers=origin, **search))
    async with httpx.AsyncClient(base_url=gateway.url, timeout=PATIENCE, trust_env=False) as again:
        assert (await again.get(f"/mlflow/enter?ticket={ticket}")).status_code == 401
        assert (
            await again.get("/mlflow/", headers={"Cookie": "tiltyard_mlflow=tyb_wrong"})
        ).status_code == 401


async def test_what_a_job_stored_is_never_more_than_bytes_in_a_browser(
    gateway: Gateway, user: Caller, name: str
) -> None:
    _, job, run = await job_with_run(gateway, user, name)
    experiment = (await user("GET", f"{RUNS}/get?run_id={run}")).json()["run"]["info"]["experiment_id"]
    await job("PUT", f"{FILES}/{experiment}/{run}/artifacts/x.html", content=b"<script>alert(1)</script>")
    for url in (
        f"{FILES}/{experiment}/{run}/artifacts/x.html",
        f"/mlflow/get-artifact?run_uuid={run}&path=x.html",
    ):
        answer = await user("GET", url)
        assert answer.content == b"<script>alert(1)</script>"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox;")


async def test_nobody_chooses_where_mlflow_reads_and_writes(user: Caller, name: str) -> None:
    api = "/mlflow/api/2.0/mlflow"
    for path, body in (
        ("experiments/create", {"name": name, "artifact_location": "file:///etc"}),
        ("model-versions/create", {"name": "m", "source": "file:///etc/passwd"}),
    ):
        said = await user("POST", f"{api}/{path}", body)
        assert (said.status_code, said.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_while_mlflow_is_away_its_client_is_told_to_come_again(start_gateway: Start) -> None:
    async with start_gateway(mlflow_url=f"http://127.0.0.1:{free_port()}") as gateway:
        said = await Caller(gateway, USER)("GET", f"{RUNS}/get?run_id=x")
        assert (said.status_code, said.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert int(said.headers["retry-after"]) > 0


async def test_mlflow_hears_nothing_of_who_asked(start_gateway: Start, until: Any) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nServer: x\r\nX-Inside: y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    upstream = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    async with upstream, start_gateway(mlflow_url=f"http://127.0.0.1:{port}") as gateway:
        sent = {"Cookie": "a=b", "Origin": gateway.url, "X-Forwarded-For": "1.2.3.4", "Referer": "http://a/"}
        answer = await Caller(gateway, USER)("GET", "/mlflow/version", headers=sent)
    said = heard[-1].decode().lower()
    assert "get /version" in said
    assert not [
        word for word in ("authorization", "cookie", "origin", "referer", "forwarded") if word in said
    ]
    assert not {"set-cookie", "x-inside"} & set(answer.headers)


async def test_a_client_that_is_refused_raises_with_the_reason(
    as_client: Any, gateway: Gateway, user: Caller, name: str
) -> None:
    _, _, foreign = await job_with_run(gateway, user, name)
    claim, _, _ = await job_with_run(gateway, user, f"{name} b")
    with pytest.raises(MlflowException, match="a job may read everything, write to its own run"):
        await as_client(lambda client: client.log_metric(foreign, "a", 1), token=claim.token)


async def test_an_mlflow_on_a_socket_in_the_file_system_is_reached(
    start_gateway: Start, tmp_path: Path
) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n3.17.2")
        await writer.drain()
        writer.close()

    place = tmp_path / "s"
    async with (
        await asyncio.start_unix_server(say, place),
        start_gateway(mlflow_url=f"unix:{place}") as gateway,
    ):
        assert (await Caller(gateway, USER)("GET", "/mlflow/version")).text == "3.17.2"
