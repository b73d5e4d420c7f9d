"""Metrics of a job over REST: as they stand, their history, and those that others post."""

import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.api.conftest import Gateway, Start
from tiltyard.wire import Claim


@dataclass
class Mlflow:
    """What the gateway takes for MLflow."""

    history: list[tuple[float, int]] = field(default_factory=list)
    logged: list[bytes] = field(default_factory=list)
    away: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("nothing listens there")
        if request.url.path.endswith("runs/log-batch"):
            self.logged.append(request.content)
            return httpx.Response(200, json={})
        if not request.url.path.endswith("metrics/get-history"):
            return httpx.Response(404, json={"error_code": "ENDPOINT_NOT_FOUND"})
        start, count = int(request.url.params.get("page_token", 0)), int(request.url.params["max_results"])
        told = [{"key": "loss", "value": v, "timestamp": 1000 + n, "step": n} for v, n in self.history]
        page = {"metrics": told[start : start + count]}
        return httpx.Response(
            200, json=page | ({"next_page_token": str(start + count)} if start + count < len(told) else {})
        )


@pytest.fixture
def mlflow() -> Mlflow:
    return Mlflow()


@pytest.fixture
async def gateway(start_gateway: Start, mlflow: Mlflow) -> AsyncIterator[Gateway]:
    async with start_gateway(mlflow_url="http://mlflow.invalid") as running:
        assert running.parts.tracking is not None
        running.parts.tracking.http = httpx.AsyncClient(
            base_url="http://mlflow.invalid", transport=httpx.MockTransport(mlflow)
        )
        yield running


def metric(name: str, value: Any, step: int = 0, **more: Any) -> dict[str, Any]:
    data = {"name": name, "value": value, "step": step} | more
    return {"at": "2026-01-31T12:00:00Z", "kind": "metric", "data": data}


async def trained(gateway: Gateway, *events: dict[str, Any]) -> Claim:
    claim = await gateway.running()
    await gateway.report(claim, *events)
    await gateway.finish(claim)
    return claim


async def metrics_of(gateway: Gateway, job: str, **params: Any) -> list[tuple[str, Any, int, int]]:
    answer = await gateway.user.get(f"/jobs/{job}/metrics", params=params)
    assert answer.status_code == 200, answer.text
    return [(one["name"], one["value"], one["step"], one["attempt"]) for one in answer.json()["items"]]


async def history_of(gateway: Gateway, job: str, name: str, **params: Any) -> Any:
    given = {key: value for key, value in params.items() if value is not None}
    answer = await gateway.user.get(f"/jobs/{job}/metrics/{name}", params=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def values(history: Any) -> list[tuple[Any, int]]:
    return [(one["value"], one["step"]) for one in history["items"]]


async def test_each_metric_is_shown_as_it_stands_nan_and_infinity_too(gateway: Gateway) -> None:
    claim = await trained(
        gateway,
        metric("loss", 2.0, 1),
        metric("loss", "NaN", 2),
        metric("acc", 1, 5),
        metric("worst", "-Infinity"),
    )
    assert await metrics_of(gateway, claim.job) == [
        ("acc", 1.0, 5, 1), ("loss", "NaN", 2, 1), ("worst", "-Infinity", 0, 1),
    ]  # fmt: skip
    assert await metrics_of(gateway, claim.job[:10], name=["acc"]) == [("acc", 1.0, 5, 1)]


async def test_a_history_is_read_by_step_page_by_page(gateway: Gateway) -> None:
    told = [metric("loss", n, step) for n, step in enumerate([3, 1, 2, 1, 2**62, -4])]
    claim = await trained(gateway, *told, metric("other", 1), metric("loss", "Infinity", 2))
    seen: list[tuple[Any, int]] = []
    cursor = None
    while True:
        page = await history_of(gateway, claim.job, "loss", limit=2, cursor=cursor)
        assert (page["complete"], page["source"]) == (True, "events")
        seen += values(page)
        if (cursor := page["next"]) is None:
            break
    assert seen == [(5.0, -4), (1.0, 1), (3.0, 1), (2.0, 2), ("Infinity", 2), (0.0, 3), (4.0, 2**62)]


async def test_the_name_of_a_metric_may_hold_slashes_spaces_and_percent_signs(gateway: Gateway) -> None:
    claim = await trained(gateway, metric("val/top 5 %2F", 0.5))
    for address in ("val/top%205%20%252F", "val%2Ftop%205%20%252F"):
        assert values(await history_of(gateway, claim.job, address)) == [(0.5, 0)]


async def test_a_history_is_the_newest_attempts_alone(gateway: Gateway) -> None:
    first = await gateway.running()
    await gateway.report(first, metric("loss", 9, 7))
    await gateway.attempt(first, "release")
    second = await gateway.claim(first.job)
    await gateway.report(second, metric("loss", 1, 1))
    assert second.attempt == first.attempt
    assert values(await history_of(gateway, first.job, "loss")) == [(1.0, 1)]


async def test_what_a_job_logged_to_runs_that_it_made_is_in_its_events_and_not_in_its_results(
    gateway: Gateway,
) -> None:
    folds = [metric("acc", 0.1 * n, 9, run=f"fold-{n}", run_name=f"fold {n}") for n in range(3)]
    claim = await trained(gateway, metric("acc", 0.9, 1), *folds, metric("only in folds", 1, run="fold-1"))
    assert await metrics_of(gateway, claim.job) == [("acc", 0.9, 1, 1)]
    assert values(await history_of(gateway, claim.job, "acc")) == [(0.9, 1)]
    assert (await gateway.user.get(f"/jobs/{claim.job}/metrics/only in folds")).status_code == 404
    manifest = (await gateway.user.get(f"/jobs/{claim.job}/manifest")).json()
    assert manifest["metrics"] == {"acc": 0.9}
    events = (await gateway.user.get(f"/jobs/{claim.job}/events")).json()["events"]
    assert [one["data"].get("run") for one in events if one["kind"] == "metric"] == [
        None, "fold-0", "fold-1", "fold-2", "fold-1",
    ]  # fmt: skip


async def test_values_left_out_of_another_runs_events_ask_nothing_of_mlflow(
    gateway: Gateway, mlflow: Mlflow
) -> None:
    claim = await gateway.running()
    await gateway.attempt(claim, "report", {"first": 0, "events": [
        metric("loss", 9, 1), metric("loss", 7, 50, left_out=48, run="fold-1")
    ], "mlflow_run_id": "run-1"})  # fmt: skip
    mlflow.away = True
    history = await history_of(gateway, claim.job, "loss")
    assert (history["complete"], values(history)) == (True, [(9.0, 1)])


async def test_malformed_metrics_are_in_no_history_and_in_nobodys_way(gateway: Gateway) -> None:
    odd: list[Any] = [metric("loss", "high"), metric("loss", 1), metric("loss", 2), metric("loss", 10**400)]
    odd[1]["data"]["step"], odd[2]["data"]["step"] = "first", 10**30
    claim = await trained(gateway, *odd, metric("loss", 5, 1))
    assert values(await history_of(gateway, claim.job, "loss")) == [(5.0, 1)]
    assert await metrics_of(gateway, claim.job) == [("loss", 5.0, 1, 1)]


async def test_an_unknown_metric_says_which_may_be_meant(gateway: Gateway) -> None:
    claim = await trained(gateway, metric("accuracy", 1))
    for address in (f"/jobs/{claim.job}/metrics/acuracy", f"/jobs/{claim.job}/metrics?name=acuracy"):
        answer = await gateway.user.get(address)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_metric")
        assert "did you mean 'accuracy'" in answer.json()["detail"]
    assert (await gateway.user.get("/jobs/abcd/metrics")).json()["code"] == "no_such_job"


async def test_others_post_metrics_of_a_job_that_has_ended_and_its_story_stays_as_it_was(
    gateway: Gateway,
) -> None:
    claim = await trained(gateway, metric("acc", 0.5, 3))
    before = (await gateway.user.get(f"/jobs/{claim.job}")).json()
    sent = [
        {"name": "certified", "value": 0.25},
        {"name": "acc", "value": 0.1, "step": 1},
        {"name": "certified", "value": "NaN", "step": 2},
    ]
    answer = await gateway.user.post(f"/jobs/{claim.job}/metrics", json=sent)
    assert answer.status_code == 201
    assert [(one["name"], one["value"], one["step"], one["attempt"]) for one in answer.json()] == [
        ("acc", 0.5, 3, 1), ("certified", "NaN", 2, 0),
    ]  # fmt: skip
    assert (await gateway.user.get(f"/jobs/{claim.job}")).json() == before
    assert values(await history_of(gateway, claim.job, "certified")) == [(0.25, 0), ("NaN", 2)]
    assert values(await history_of(gateway, claim.job, "acc")) == [(0.1, 1), (0.5, 3)]


async def test_what_stands_is_the_last_of_the_history_whoever_told_it(gateway: Gateway) -> None:
    claim = await gateway.running()
    await gateway.report(claim, metric("acc", 0.5, 3))
    await gateway.user.post(f"/jobs/{claim.job}/metrics", json=[{"name": "acc", "value": 0.6, "step": 4}])
    assert await metrics_of(gateway, claim.job) == [("acc", 0.6, 4, 0)]
    await gateway.report(claim, metric("acc", 0.7, 4), metric("acc", 0.2, 2))
    assert (await metrics_of(gateway, claim.job))[0][2] == 4
    await gateway.report(claim, metric("acc", 0.8, 5))
    assert await metrics_of(gateway, claim.job) == [("acc", 0.8, 5, 1)]


async def test_bad_values_are_refused_and_nothing_of_them_is_written(gateway: Gateway) -> None:
    claim = await trained(gateway, metric("acc", 0.5))
    good = {"name": "certified", "value": 1}
    for bad in (
        {"name": "", "value": 1}, {"name": "x" * 251, "value": 1}, {"name": "x", "value": "1"}, {"name": "x"},
        {"name": "x", "value": True}, {"name": "x", "value": 1, "step": 2**63}, {"name": "x\0", "value": 1},
        {"name": "x", "value": 10**400},
    ):  # fmt: skip
        answer = await gateway.user.post(f"/jobs/{claim.job}/metrics", content=json.dumps([good, bad]), headers={
            "Content-Type": "application/json"
        })  # fmt: skip
        assert answer.status_code == 422, bad
        assert answer.json()["errors"][0]["pointer"].startswith("/1/"), answer.text
    assert (await gateway.user.post(f"/jobs/{claim.job}/metrics", json=[])).status_code == 422
    assert (await gateway.user.post(f"/jobs/{claim.job}/metrics", json=[good] * 1001)).status_code == 422
    assert (await gateway.user.post("/jobs/abcd/metrics", json=[good])).status_code == 404
    assert await metrics_of(gateway, claim.job) == [("acc", 0.5, 0, 1)]


async def test_a_history_that_events_do_not_have_whole_is_asked_of_mlflow(
    gateway: Gateway, mlflow: Mlflow
) -> None:
    claim = await gateway.running()
    await gateway.attempt(claim, "report", {"first": 0, "events": [
        metric("loss", 9, 1), metric("loss", 7, 50, left_out=48)
    ], "mlflow_run_id": "run-1"})  # fmt: skip
    mlflow.history = [(float(n), n) for n in range(50)] + [(1.7976931348623157e308, 50)]
    first = await history_of(gateway, claim.job, "loss", limit=40)
    assert (first["complete"], first["source"], len(first["items"])) == (True, "mlflow", 40)
    rest = await history_of(gateway, claim.job, "loss", limit=40, cursor=first["next"])
    assert values(rest)[-1] == ("Infinity", 50)
    assert rest["next"] is None
    mlflow.away = True
    without = await history_of(gateway, claim.job, "loss")
    assert (without["complete"], without["source"]) == (False, "events")
    assert values(without) == [(9.0, 1), (7.0, 50)]


async def test_what_is_posted_is_told_to_the_run_in_mlflow_too_and_mlflow_away_is_nobodys_trouble(
    gateway: Gateway, mlflow: Mlflow
) -> None:
    claim = await gateway.running()
    await gateway.attempt(claim, "report", {"first": 0, "mlflow_run_id": "run-1"})
    sent = [{"name": "certified", "value": "Infinity", "step": 2}]
    assert (await gateway.user.post(f"/jobs/{claim.job}/metrics", json=sent)).status_code == 201
    body = json.loads(mlflow.logged[0])
    assert body["run_id"] == "run-1"
    assert [(one["key"], one["value"], one["step"]) for one in body["metrics"]] == [
        ("certified", "Infinity", 2)
    ]
    mlflow.away = True
    answer: httpx.Response = await gateway.user.post(f"/jobs/{claim.job}/metrics", json=sent)
    assert answer.status_code == 201


async def test_the_record_of_an_exported_job_has_what_was_posted(gateway: Gateway) -> None:
    claim = await trained(gateway, metric("acc", 0.5))
    posted = [{"name": "certified", "value": "NaN", "step": n} for n in range(2)]
    await gateway.user.post(f"/jobs/{claim.job}/metrics", json=posted)
    done = await gateway.user.post("/history:prune", json={"older_than": 0.001})
    assert done.json() == {"matched": 1, "exported": 1}
    record = gzip.decompress((await gateway.user.get(f"/history/{claim.job}/record")).content)
    kept = [json.loads(line).get("posted_metric") for line in record.splitlines()]
    assert [(one["name"], one["value"], one["step"]) for one in kept if one] == [
        ("certified", "NaN", 0),
        ("certified", "NaN", 1),
    ]
    gone = await gateway.user.post(f"/jobs/{claim.job}/metrics", json=posted)
    assert (gone.status_code, gone.json()["code"]) == (410, "exported")
