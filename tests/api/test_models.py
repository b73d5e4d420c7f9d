"""The registry of models, on a real MLflow: registered from a job, found, named, downloaded, and given to other jobs."""

import hashlib
import io
import secrets
import tarfile
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import Gateway, Start, packed
from tests.api.mlflow import mlflow_server
from tests.servers import PATIENCE, free_port
from tiltyard.archive.content import content_digest
from tiltyard.wire import Claim, Job
from tiltyard_orchestrator.storage.tables import JobRow

PROJECT = """
name: attack
entry_points:
  main:
    parameters:
      model: {type: path, default: none}
      note: {type: string, default: ""}
    command: python attack.py {model} {note}
"""
MLMODEL = """\
flavors:
  python_function: {loader_module: mlflow.sklearn}
  sklearn: {pickled_model: model.pkl}
signature:
  inputs: '[{"type": "tensor"}]'
  outputs: '[{"type": "tensor"}]'
  params: null
"""
WEIGHTS = b"weights" * 1000


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
async def gateway(start_gateway: Start, mlflow_url: str) -> AsyncIterator[Gateway]:
    async with start_gateway(mlflow_url=mlflow_url) as running:
        yield running


@pytest.fixture
def name() -> str:
    """A model's name that no other test has: they share a registry."""
    return secrets.token_hex(6)


async def trained(gateway: Gateway, **files: bytes) -> Job:
    """A job that left files and ended; `__` in a name stands for a slash."""
    claim = await gateway.running()
    for path, body in files.items():
        assert (await gateway.put(claim, path.replace("__", "/"), body)).is_success
    await gateway.finish(claim)
    return Job.model_validate((await gateway.user.get(f"/jobs/{claim.job}")).json())


async def register(gateway: Gateway, name: str, job: str, path: str, **more: Any) -> dict[str, Any]:
    answer = await gateway.user.post(f"/models/{name}/versions", json={"job": job, "path": path} | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def attack(gateway: Gateway, model: str) -> httpx.Response:
    archive = await gateway.upload(packed(MLproject=PROJECT))
    asked = {"experiment": "attacks", "archive": archive, "parameters": {"model": model}}
    return await gateway.user.post("/jobs", json=asked)


async def given(gateway: Gateway, claim: Claim) -> bytes:
    headers = {"Authorization": f"Bearer {claim.token}"}
    answer = await gateway.nobody.get(f"/attempts/{claim.job}/{claim.epoch}/inputs/model", headers=headers)
    assert answer.is_success, answer.text
    return answer.content


def unpacked(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


async def logged_model(mlflow_url: str, experiment: str, run_id: str) -> None:
    """What `log_model(name="net")` leaves in MLflow."""
    async with httpx.AsyncClient(
        base_url=f"{mlflow_url}/api/2.0/", timeout=PATIENCE, trust_env=False
    ) as http:
        body = {"experiment_id": experiment, "name": "net", "source_run_id": run_id}
        made = (await http.post("mlflow/logged-models", json=body)).json()["model"]["info"]
        root = made["artifact_uri"].removeprefix("mlflow-artifacts:/").lstrip("/")
        for path, content in {"MLmodel": MLMODEL.encode(), "model.pkl": WEIGHTS}.items():
            put = await http.put(f"mlflow-artifacts/artifacts/{root}/{path}", content=content)
            assert put.is_success, put.text


async def run_of(gateway: Gateway, mlflow_url: str) -> tuple[Claim, str, str]:
    """A running job with a run in MLflow; and the experiment's and the run's id there."""
    claim = await gateway.running()
    async with httpx.AsyncClient(
        base_url=f"{mlflow_url}/api/2.0/mlflow/", timeout=PATIENCE, trust_env=False
    ) as http:
        made = (await http.post("runs/create", json={"experiment_id": "0"})).json()["run"]["info"]
    body = {"first": 0, "events": [], "mlflow_run_id": made["run_id"]}
    assert (await gateway.attempt(claim, "report", body)).is_success
    return claim, "0", made["run_id"]


async def test_a_jobs_file_becomes_a_version_that_knows_where_it_comes_from(
    gateway: Gateway, name: str
) -> None:
    job = await trained(gateway, models__net=WEIGHTS)
    made = await register(
        gateway, name, job.id[:8], "models/net", tags={"team": "blue"}, aliases=["champion"]
    )
    assert (made["version"], made["job"], made["path"], made["aliases"]) == (
        "1", job.id, "models/net", ["champion"],
    )  # fmt: skip
    assert made["sha256"] == content_digest({"net": hashlib.sha256(WEIGHTS).hexdigest()})
    assert (made["size"], made["files"], made["tags"]["team"]) == (len(WEIGHTS), 1, "blue")
    model = (await gateway.user.get(f"/models/{name}")).json()
    assert (model["aliases"], model["latest"]) == ({"champion": "1"}, "1")


async def test_a_model_that_a_job_logged_to_mlflow_is_registered_where_it_is(
    gateway: Gateway, mlflow_url: str, name: str
) -> None:
    claim, experiment, run_id = await run_of(gateway, mlflow_url)
    await logged_model(mlflow_url, experiment, run_id)
    metric = {
        "at": "2026-01-31T12:00:00Z",
        "kind": "metric",
        "data": {"name": "acc", "value": 0.5, "step": 0},
    }
    await gateway.report(claim, metric)
    made = await register(gateway, name, claim.job, "net")
    assert made["source"].startswith("models:/m-")
    assert (made["run_id"], made["flavors"]) == (run_id, ["python_function", "sklearn"])
    assert made["signature"]["inputs"] == [{"type": "tensor"}]
    assert made["metrics"] == {"acc": 0.5}
    [listed] = (await gateway.user.get(f"/models/{name}/versions")).json()["items"]
    assert (listed["job"], listed["metrics"]) == (claim.job, {"acc": 0.5})
    tar = await gateway.user.get(f"/models/{name}/versions/1/content")
    assert unpacked(tar.content) == {"MLmodel": MLMODEL.encode(), "model.pkl": WEIGHTS}


async def test_a_folder_of_a_job_is_copied_to_its_run_and_given_back_file_by_file(
    gateway: Gateway, name: str
) -> None:
    job = await trained(gateway, net__MLmodel=MLMODEL.encode(), net__data__model=WEIGHTS)
    for version in ("1", "2"):
        made = await register(gateway, name, job.id, "net/")
        assert (made["version"], made["flavors"]) == (version, ["python_function", "sklearn"])
    one = await gateway.user.get(f"/models/{name}/versions/2/content/data/model")
    assert one.content == WEIGHTS
    assert one.headers["content-disposition"].startswith("attachment;")
    missing = await gateway.user.get(f"/models/{name}/versions/2/content/data/no")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_file")


async def test_a_model_is_described_tagged_renamed_and_removed(gateway: Gateway, name: str) -> None:
    made = await gateway.user.post("/models", json={"name": name, "description": "a", "tags": {"x": "1"}})
    assert (made.status_code, made.json()["tags"]) == (201, {"x": "1"})
    again = await gateway.user.post("/models", json={"name": name})
    assert (again.status_code, again.json()["code"]) == (409, "model_exists")
    patch = {"description": "b", "tags": {"x": None, "y": "2"}, "name": f"{name}-new"}
    changed = (await gateway.user.patch(f"/models/{name}", json=patch)).json()
    assert (changed["name"], changed["description"], changed["tags"]) == (f"{name}-new", "b", {"y": "2"})
    found = (await gateway.user.get("/models", params={"search": name})).json()["items"]
    assert [one["name"] for one in found] == [f"{name}-new"]
    assert (await gateway.user.delete(f"/models/{name}-new")).status_code == 204
    assert (await gateway.user.get(f"/models/{name}-new")).status_code == 404


async def test_a_version_is_described_and_removed_and_an_alias_moves(gateway: Gateway, name: str) -> None:
    job = await trained(gateway, net=WEIGHTS)
    for _ in range(2):
        await register(gateway, name, job.id, "net")
    url = f"/models/{name}"
    patched = await gateway.user.patch(f"{url}/versions/1", json={"description": "old", "tags": {"a": "b"}})
    assert (patched.json()["description"], patched.json()["tags"]["a"]) == ("old", "b")
    for version in ("1", "2"):
        put = await gateway.user.put(f"{url}/aliases/best", json={"version": version})
        assert put.json()["aliases"] == {"best": version}
    assert (await gateway.user.get(f"{url}/versions/@best")).json()["version"] == "2"
    assert (await gateway.user.delete(f"{url}/aliases/best")).status_code == 204
    gone = await gateway.user.get(f"{url}/versions/@best")
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_alias")
    assert (await gateway.user.delete(f"{url}/versions/1")).status_code == 204
    gone = await gateway.user.get(f"{url}/versions/1")
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_version")


async def test_an_unknown_model_is_told_with_what_may_be_meant(gateway: Gateway, name: str) -> None:
    await gateway.user.post("/models", json={"name": name})
    answer = await gateway.user.get(f"/models/{name}s")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_model")
    assert f"did you mean '{name}'" in answer.json()["detail"]


@pytest.mark.parametrize("bad", ["a/b", "a:b", "..", " ", "a\nb", "x" * 201, "", 'it\'s "q"'])
async def test_a_name_that_the_registry_cannot_have_is_refused_at_once(gateway: Gateway, bad: str) -> None:
    answer = await gateway.user.post("/models", json={"name": bad})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")


@pytest.mark.parametrize("bad", ["a:b", "%20", "a%0Ab", "%1b[31m", "x" * 201])
async def test_a_version_is_no_way_around_the_rules_for_names(gateway: Gateway, bad: str) -> None:
    job = await trained(gateway, net=WEIGHTS)
    answer = await gateway.user.post(f"/models/{bad}/versions", json={"job": job.id, "path": "net"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "name")
    assert (await gateway.user.get(f"/models/{bad}")).status_code in {404, 422}


async def test_a_name_may_be_of_any_script_and_its_address_is_told(gateway: Gateway, name: str) -> None:
    named = f"模型 é {name} 100 %"
    made = await gateway.user.post("/models", json={"name": named})
    assert (made.status_code, made.json()["name"]) == (201, named)
    job = await trained(gateway, net=WEIGHTS)
    address = made.headers["location"].removeprefix("/api/v1")
    version = await gateway.user.post(f"{address}/versions", json={"job": job.id, "path": "net"})
    assert version.status_code == 201, version.text
    found = await gateway.user.get(version.headers["location"].removeprefix("/api/v1"))
    assert (found.json()["model"], found.json()["version"]) == (named, "1")


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1"])
async def test_an_alias_that_mlflow_keeps_for_itself_makes_no_version(
    gateway: Gateway, name: str, alias: str
) -> None:
    job = await trained(gateway, net=WEIGHTS)
    asked = {"job": job.id, "path": "net", "aliases": ["best", alias]}
    answer = await gateway.user.post(f"/models/{name}/versions", json=asked)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/aliases/1")
    assert (await gateway.user.get(f"/models/{name}")).status_code == 404


async def test_a_rename_to_a_name_that_is_taken_changes_nothing_of_the_model(
    gateway: Gateway, name: str
) -> None:
    for one in (name, f"{name}-taken"):
        await gateway.user.post("/models", json={"name": one, "description": "old"})
    patch = {"name": f"{name}-taken", "description": "new", "tags": {"a": "b"}}
    answer = await gateway.user.patch(f"/models/{name}", json=patch)
    assert (answer.status_code, answer.json()["code"]) == (409, "model_exists")
    assert f"{name}-taken" in answer.json()["detail"]
    found = (await gateway.user.get(f"/models/{name}")).json()
    assert (found["description"], found["tags"]) == ("old", {})


@pytest.mark.parametrize("mark", ["%", "_", "'", '"', "'\""])
async def test_a_search_for_models_takes_every_character_as_it_is(
    gateway: Gateway, name: str, mark: str
) -> None:
    named = f"{name} {mark[:1]} x"
    for one in (named, f"{name} - y"):
        assert (await gateway.user.post("/models", json={"name": one})).status_code == 201
    answer = await gateway.user.get("/models", params={"search": f"{name.upper()} {mark}"})
    assert answer.status_code == 200, answer.text
    assert [one["name"] for one in answer.json()["items"]] == ([named] if len(mark) == 1 else [])


@pytest.mark.parametrize("path", ["nowhere", "mode", "/"])
async def test_what_the_job_did_not_leave_is_not_registered(gateway: Gateway, name: str, path: str) -> None:
    job = await trained(gateway, model__net=WEIGHTS)
    answer = await gateway.user.post(f"/models/{name}/versions", json={"job": job.id, "path": path})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown_artifact")
    assert (await gateway.user.get(f"/models/{name}")).status_code == 404


async def test_a_job_gets_the_version_that_the_alias_meant_when_it_was_submitted(
    gateway: Gateway, name: str
) -> None:
    first, second = await trained(gateway, net=b"first"), await trained(gateway, net=b"second")
    await register(gateway, name, first.id, "net", aliases=["champion"])
    asked = f"model:{name}@champion"
    job = Job.model_validate((await attack(gateway, asked)).json())
    await register(gateway, name, second.id, "net", aliases=["champion"])
    claim = await gateway.claim(job.id)
    assert claim.parameters["model"] == asked
    assert claim.command == "python attack.py .tiltyard/inputs/model/model/net ''"
    [one] = claim.inputs
    assert (one.reference, one.version, one.file) == (f"model:{name}/1", "1", "net")
    assert one.sha256 == content_digest({"net": hashlib.sha256(b"first").hexdigest()})
    assert unpacked(await given(gateway, claim)) == {"net": b"first"}
    async with gateway.parts.database.transaction() as session:
        row = await session.get_one(JobRow, job.id)
    assert [(one["reference"], one["size"]) for one in row.inputs] == [(f"model:{name}/1", 5)]


async def test_a_model_registered_by_mlflows_own_client_is_given_as_its_folder(
    gateway: Gateway, mlflow_url: str, name: str
) -> None:
    claim, experiment, run_id = await run_of(gateway, mlflow_url)
    await logged_model(mlflow_url, experiment, run_id)
    async with httpx.AsyncClient(
        base_url=f"{mlflow_url}/api/2.0/mlflow/", timeout=PATIENCE, trust_env=False
    ) as http:
        await http.post("registered-models/create", json={"name": name})
        body = {"name": name, "source": f"runs:/{run_id}/net", "run_id": run_id}
        assert (await http.post("model-versions/create", json=body)).is_success
    assert (await gateway.user.get(f"/models/{name}/versions/1")).json()["job"] == claim.job
    await gateway.finish(claim)
    job = Job.model_validate((await attack(gateway, f"model:{name}/1")).json())
    started = await gateway.claim(job.id)
    assert started.command == "python attack.py .tiltyard/inputs/model/model ''"
    assert unpacked(await given(gateway, started)) == {"MLmodel": MLMODEL.encode(), "model.pkl": WEIGHTS}


@pytest.mark.parametrize("tag", ["../../etc/passwd", "0" * 64])
async def test_a_digest_that_somebody_made_up_starts_no_job_with_other_files(
    gateway: Gateway, name: str, tag: str
) -> None:
    trained_job = await trained(gateway, net=WEIGHTS)
    await register(gateway, name, trained_job.id, "net")
    await gateway.user.patch(f"/models/{name}/versions/1", json={"tags": {"tiltyard.sha256": tag}})
    job = Job.model_validate((await attack(gateway, f"model:{name}/1")).json())
    [one] = (await gateway.claim(job.id)).inputs
    right = content_digest({"net": hashlib.sha256(WEIGHTS).hexdigest()})
    assert one.sha256 == (
        "0" * 64 if tag.startswith("0") else right
    )  # and the worker finds that it is another


@pytest.mark.parametrize(
    ("value", "code"),
    [("model:{}@nope", "unknown_model"), ("model:{}/7", "unknown_model"), ("model:nobody/1", "unknown_model"),
     ("model:{}", "bad_input"), ("model:a/b/1", "bad_input"), ("model:{}@", "bad_input")],
)  # fmt: skip
async def test_a_model_that_is_not_there_is_told_at_the_parameter(
    gateway: Gateway, name: str, value: str, code: str
) -> None:
    await gateway.user.post("/models", json={"name": name})
    answer = await attack(gateway, value.format(name))
    [item] = answer.json()["errors"]
    assert (answer.status_code, item["pointer"], item["code"]) == (422, "/parameters/model", code)


async def test_mlflow_that_is_away_makes_no_job_and_fails_none(start_gateway: Start) -> None:
    async with start_gateway(mlflow_url=f"http://127.0.0.1:{free_port()}") as gateway:
        answer = await attack(gateway, "model:digits@champion")
        assert (answer.status_code, answer.json()["code"]) == (503, "mlflow_unavailable")
        assert (await gateway.user.get("/jobs")).json()["items"] == []
        assert (await attack(gateway, "data/none")).status_code == 201
        for url in ("/models", "/models/digits", "/models/digits/versions/1/content"):
            answer = await gateway.user.get(url)
            assert (answer.status_code, answer.json()["code"]) == (503, "mlflow_unavailable")


async def test_a_key_that_made_a_job_stands_for_it_when_mlflow_is_away(
    gateway: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await trained(gateway, net=WEIGHTS)
    await register(gateway, name, job.id, "net")
    archive = await gateway.upload(packed(MLproject=PROJECT))
    asked = {"experiment": "attacks", "archive": archive, "parameters": {"model": f"model:{name}/1"}}

    async def send() -> httpx.Response:
        return await gateway.user.post("/jobs", json=asked, headers={"Idempotency-Key": name})

    made = (await send()).json()["id"]
    assert gateway.parts.tracking is not None
    away = httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False)
    monkeypatch.setattr(gateway.parts.tracking, "http", away)
    again = await send()
    assert (again.status_code, again.json()["id"]) == (200, made)
    await away.aclose()


async def test_a_job_starts_while_mlflow_is_away_and_its_files_are_to_be_had_later(
    gateway: Gateway, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = await trained(gateway, net=WEIGHTS)
    await register(gateway, name, training.id, "net", aliases=["champion"])
    job = Job.model_validate((await attack(gateway, f"model:{name}@champion")).json())
    assert gateway.parts.tracking is not None
    with monkeypatch.context() as cut:
        away = httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False)
        cut.setattr(gateway.parts.tracking, "http", away)
        claim = await gateway.claim(job.id)
        headers = {"Authorization": f"Bearer {claim.token}"}
        url = f"/attempts/{claim.job}/{claim.epoch}/inputs/model"
        answer = await gateway.nobody.get(url, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "mlflow_unavailable")
        await away.aclose()
    assert unpacked(await given(gateway, claim)) == {"net": WEIGHTS}


async def test_an_mlflow_that_fails_is_told_and_is_no_fault_of_ours(start_gateway: Start) -> None:
    def failing(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(500, json={"error_code": "INTERNAL_ERROR", "message": "it broke"})

    async with start_gateway(mlflow_url="http://mlflow.invalid") as gateway:
        assert gateway.parts.tracking is not None
        gateway.parts.tracking.http = httpx.AsyncClient(
            base_url="http://mlflow.invalid", transport=httpx.MockTransport(failing)
        )
        for answer in (await gateway.user.get("/models/digits"), await attack(gateway, "model:digits/1")):
            assert (answer.status_code, answer.json()["code"]) == (503, "mlflow_failed")
        assert (await gateway.user.get("/jobs")).json()["items"] == []


async def test_a_testbed_without_mlflow_says_so(start_gateway: Start) -> None:
    async with start_gateway() as gateway:
        answer = await gateway.user.get("/models")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_mlflow")
        answer = await attack(gateway, "model:digits@champion")
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "no_mlflow")


async def test_a_name_with_a_slash_is_told_what_is_wrong_with_it(gateway: Gateway) -> None:
    for path in ("models/a%2Fb", "models/a/b/versions/1", "models/net/aliases/x%2Fy", "experiments/a%2Fb"):
        said = await gateway.user.get(f"/{path}")
        assert (said.status_code, said.json()["code"]) == (404, "not_found"), path
        assert "holds a slash" in said.json()["detail"]
