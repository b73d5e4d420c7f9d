"""A database that goes away for a while under results, sweeps and files: each request says so, and nothing is half there."""

import asyncio
from typing import Any

import httpx

from tests.api.conftest import Cable, Gateway, Start
from tests.api.test_bundles import attacked, export
from tests.api.test_door import problem_of

AXES = [{"parameter": "eps", "from": 0, "to": 1, "count": 2_000}]


async def told_or_done(answer: httpx.Response) -> bool:
    """Whether a request was carried out; else the caller was told that the database was away, and when to come again."""
    if answer.is_success:
        return True
    assert (answer.status_code, problem_of(answer).code) == (503, "database_unavailable"), answer.text
    assert int(answer.headers["retry-after"]) > 0
    return False


async def test_every_kind_of_request_says_that_it_is_away_and_is_answered_when_it_is_back(
    start_gateway: Start, cable: Cable
) -> None:
    async with start_gateway(database_url=cable.url) as gateway:
        job, sweep, bundle = await _filled(gateway)
        asked: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", "/experiments/digits/results?sort=-metric.accuracy", {}),
            ("GET", "/experiments/digits/results?format=csv", {}),
            ("GET", "/experiments/digits/results?format=parquet", {}),
            ("GET", f"/sweeps/{sweep}/results", {}),
            ("GET", f"/sweeps/{sweep}/cells", {}),
            ("GET", "/experiments/digits/plot.svg?x=eps", {}),
            ("POST", f"/sweeps/{sweep}/pause", {}),
            ("GET", f"/jobs/{job}/artifacts", {}),
            ("GET", f"/jobs/{job}/artifacts.zip", {}),
            ("PUT", f"/jobs/{job}/artifacts/notes.md", {"content": b"notes"}),
            ("POST", f"/jobs/{job}/artifacts:link", {"json": {"path": "folder/curve.png"}}),
            ("POST", f"/jobs/{job}/metrics", {"json": [{"name": "late", "value": 1}]}),
            ("GET", f"/jobs/{job}/manifest", {}),
            ("GET", "/experiments/digits/bundle", {}),
            ("POST", "/bundles", {"content": bundle}),
        ]
        await cable.cut()
        for method, path, body in asked:
            assert not await told_or_done(await gateway.user.request(method, path, **body)), path
        await cable.mend()
        assert (await gateway.user.get(f"/jobs/{job}/artifacts/notes.md")).status_code == 404
        for method, path, body in asked:
            answer = await gateway.user.request(method, path, **body)
            assert answer.is_success or answer.json()["code"] == "not_drawable", (path, answer.text)


async def test_a_sweep_that_it_went_away_under_is_there_whole_or_not_at_all(
    start_gateway: Start, cable: Cable
) -> None:
    for pause in (0.0, 0.02, 0.1, 0.3):
        async with start_gateway(database_url=cable.url) as cut:
            archive = await cut.upload()
            asked = {"experiment": f"cut-{pause}", "archive": archive, "axes": AXES}
            key = {"Idempotency-Key": f"key-{pause}"}
            sending = asyncio.ensure_future(cut.user.post("/sweeps", json=asked, headers=key))
            await asyncio.wait([sending], timeout=pause)
            await cable.cut()
            told = await told_or_done(await sending)
            await cable.mend()
            again = await cut.user.post("/sweeps", json=asked, headers=key)
            assert (again.status_code, again.json()["cells"]) in {(201, 2_000), (200, 2_000)}, again.text
            assert not told or again.status_code == 200, "what was told as done is done"
            sweeps = (await cut.user.get("/sweeps", params={"experiment": asked["experiment"]})).json()[
                "items"
            ]
            assert [(one["cells"], sum(one["jobs"].values())) for one in sweeps] == [(2_000, 2_000)]


async def _filled(gateway: Gateway) -> tuple[str, str, bytes]:
    claim = await attacked(gateway, 0.1)
    archive = await gateway.upload()
    axes = [{"parameter": "eps", "values": [0.1, 0.2]}]
    made = await gateway.user.post("/sweeps", json={"experiment": "swept", "archive": archive, "axes": axes})
    assert made.status_code == 201, made.text
    return claim.job, made.json()["id"], await export(gateway)
