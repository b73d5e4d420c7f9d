"""Sweeps over HTTP: submitted whole or not at all, steered, followed, and nothing run twice."""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.api.conftest import Gateway, frames_of, packed
from tests.servers import PATIENCE
from tiltyard.wire import Claim, Sweep
from tiltyard_api.sweeps import checking as sweep_checking
from tiltyard_api.sweeps import reading as sweep_reading
from tiltyard_orchestrator.domain.sweep.axes import read_axes
from tiltyard_orchestrator.storage.access.tokens import new_token
from tiltyard_orchestrator.storage.jobs.inputs import await_inputs
from tiltyard_orchestrator.storage.sweeps import read as sweep_rows

PROJECT = """
name: probe
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
      attack: {type: choice, choices: [fgm, pgd], default: fgm}
      seed: {type: integer, default: 0}
      model: {type: path, default: none}
      layers: {type: list, items: integer, default: [1]}
    command: python attack.py {eps} {attack} {seed} {model} {layers}
"""
ARCHIVE = packed(MLproject=PROJECT)
GRID = [
    {"parameter": "eps", "from": 0, "to": 0.2, "count": 3},
    {"parameter": "attack", "values": ["fgm", "pgd"]},
]


async def submitted(gateway: Gateway, code: int = 201, **changes: Any) -> dict[str, Any]:
    headers = changes.pop("headers", None)
    archive = await gateway.upload(ARCHIVE)
    asked = {"experiment": "digits", "archive": archive, "axes": GRID} | changes
    answer = await gateway.user.post("/sweeps", json=asked, headers=headers)
    assert answer.status_code == code, answer.text
    return dict(answer.json())


async def get(gateway: Gateway, path: str, **params: Any) -> Any:
    answer = await gateway.user.get(path, params=params)
    assert answer.is_success, answer.text
    return answer.json()


async def post(gateway: Gateway, path: str, body: Any = None) -> Any:
    answer = await gateway.user.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def cells_of(gateway: Gateway, sweep: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
    return list((await get(gateway, f"/sweeps/{sweep['id']}/cells", limit=1000, **params))["items"])


async def claim_next(gateway: Gateway) -> Claim | None:
    answer = await gateway.worker.post("/queues/cpu/claim", json={"worker": "w", "token": new_token("tya")})
    return None if answer.status_code != 200 else Claim.model_validate_json(answer.content)


async def run_all(gateway: Gateway, **result: Any) -> list[str]:
    """Run every job that may start, one after the other."""
    commands = []
    while claim := await claim_next(gateway):
        commands.append(claim.command)
        await gateway.finish(claim, **result)
    return commands


def codes(answer: dict[str, Any]) -> dict[str, str]:
    return {one["pointer"]: one["code"] for one in answer["errors"]}


async def test_each_choice_of_values_becomes_a_job_with_its_command(gateway: Gateway) -> None:
    sweep = await submitted(gateway, parameters={"seed": 7}, tags=["paper"], description="first")
    assert (sweep["cells"], sweep["state"], sweep["jobs"], sweep["progress"]) == (
        6,
        "running",
        {"queued": 6},
        0,
    )
    assert [axis["values"] for axis in sweep["axes"]] == [[0, 0.1, 0.2], ["fgm", "pgd"]]
    jobs = (await get(gateway, "/jobs", sweep=sweep["id"]))["items"]
    assert {(job["experiment"], job["sweep"], *job["tags"]) for job in jobs} == {
        ("digits", sweep["id"], "paper")
    }
    assert await run_all(gateway) == [
        f"python attack.py {eps} {attack} 7 none 1"
        for eps in ("0", "0.1", "0.2")
        for attack in ("fgm", "pgd")
    ]
    done = await get(gateway, f"/sweeps/{sweep['id'][:8]}", wait=5)
    assert (done["state"], done["progress"], done["jobs"]) == ("succeeded", 1, {"succeeded": 6})


async def test_the_same_again_runs_nothing_and_a_longer_axis_what_is_missing(gateway: Gateway) -> None:
    await submitted(gateway)
    await run_all(gateway)
    again = await submitted(gateway, axes=[GRID[0], {"parameter": "attack", "values": ["pgd", "fgm"]}])
    assert (again["reused"], again["state"]) == (6, "succeeded")
    longer = await submitted(gateway, axes=[{"parameter": "eps", "from": 0, "to": 0.3, "count": 4}, GRID[1]])
    assert (longer["reused"], longer["jobs"]) == (6, {"queued": 2, "succeeded": 6})
    assert len(await run_all(gateway)) == 2


async def test_a_job_that_was_submitted_by_itself_is_not_run_again(gateway: Gateway) -> None:
    archive = await gateway.upload(ARCHIVE)
    job = await gateway.submit(archive=archive, parameters={"eps": "0.20", "attack": "pgd", "seed": "0"})
    sweep = await submitted(gateway)
    assert [cell["job"] for cell in await cells_of(gateway, sweep) if cell["reused"]] == [job.id]


async def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_created(gateway: Gateway) -> None:
    refused = await submitted(
        gateway,
        422,
        queue="gpu",
        timeout="soon",
        parameters={"eps": 0.1, "stepz": 3},
        axes=[
            {"parameter": "eps", "values": [0.1]},
            {"parameter": "atack", "values": ["fgm"]},
            {"parameter": "attack", "values": ["fgm", "cw"]},
            {"parameter": "seed", "values": []},
            {"parameter": "model", "values": ["artifact:nothere/model.pkl", "artifact:.."]},
        ],
    )
    assert codes(refused) == {
        "/axes/0/parameter": "fixed_and_axis",
        "/axes/1/parameter": "unknown_parameter",
        "/axes/2/values/1": "mistyped_parameter",
        "/axes/3": "bad_axis",
        "/axes/4/values/0": "unknown_job",
        "/axes/4/values/1": "bad_input",
        "/parameters/stepz": "unknown_parameter",
        "/timeout": "bad_timeout",
        "/queue": "unknown_queue",
    }
    assert (await get(gateway, "/sweeps"))["items"] == []
    assert (await get(gateway, "/jobs"))["items"] == []
    assert (await gateway.user.get("/experiments/digits")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"mode": "zip"}, "/axes", "unequal_axes"),
        ({"mode": "random", "count": 7, "axes": [GRID[1]]}, "/count", "too_few_values"),
        (
            {"axes": [{"parameter": "seed", "from": 0, "to": 99999, "count": 100000}, GRID[1]]},
            "/axes",
            "too_many_cells",
        ),
        (
            {"axes": [{"parameter": "model", "values": [f"artifact:nothere/{n}" for n in range(1001)]}]},
            "/axes",
            "too_many_inputs",
        ),
        ({"after": [{"job": "nothere"}]}, "/after/0/job", "unknown_job"),
        ({"archive": "0" * 64}, "/archive", "unknown_archive"),
        ({"entry_point": "mian"}, "/entry_point", "unknown_entry_point"),
        ({"plugins": ["nothere"]}, "/plugins/0", "unknown_plugin"),
        ({"parameters": {"model": "x" * 140_000}}, "/parameters", "command_too_long"),
    ],
)
async def test_a_sweep_that_cannot_be_is_refused(
    gateway: Gateway, changes: dict[str, Any], pointer: str, code: str
) -> None:
    assert codes(await submitted(gateway, 422, **changes)) == {pointer: code}
    assert (await get(gateway, "/sweeps"))["items"] == []


async def test_a_sweep_whose_cells_are_too_long_together_is_refused(gateway: Gateway) -> None:
    long = {"model": "x" * 1_000_000}
    archive = await gateway.upload(packed(MLproject=PROJECT.replace("{model} ", "")))
    axes = [{"parameter": "seed", "from": 0, "to": 299, "count": 300}]
    refused = await submitted(gateway, 422, archive=archive, parameters=long, axes=axes)
    assert codes(refused) == {"/axes": "sweep_too_large"}
    assert "fewer cells" in refused["errors"][0]["detail"]
    assert (await get(gateway, "/sweeps"))["items"] == []


async def test_a_sample_tells_its_seed_and_is_repeated_by_it(gateway: Gateway) -> None:
    axes = [{"parameter": "eps", "from": 0.001, "to": 1, "scale": "log"}, GRID[1]]
    sweep = await submitted(gateway, axes=axes, mode="random", count=5)
    assert (sweep["cells"], sweep["axes"][0]["from"], len(sweep["axes"][0]["values"])) == (5, 0.001, 5)
    again = await submitted(gateway, axes=axes, mode="random", count=8, seed=sweep["seed"])
    assert again["reused"] == 5


async def test_the_gateway_answers_others_while_it_reads_a_sweep(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answered = threading.Event(), threading.Event()

    def slowly(*given: Any) -> Any:
        begun.set()
        assert answered.wait(PATIENCE), "nobody was answered while the axes were read"
        return read_axes(*given)

    monkeypatch.setattr(sweep_reading, "read_axes", slowly)
    sweep = asyncio.create_task(submitted(gateway))
    await asyncio.to_thread(begun.wait, PATIENCE)
    assert (await get(gateway, "/sweeps"))["items"] == []
    answered.set()
    assert (await sweep)["cells"] == 6


async def test_an_input_that_many_values_name_is_asked_for_once(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def counted(session: Any, inputs: Any, after: Any) -> Any:
        asked.extend(inputs)
        return await await_inputs(session, inputs, after)

    monkeypatch.setattr(sweep_checking, "await_inputs", counted)
    job = (await gateway.submit()).id
    axes = [
        {"parameter": "seed", "from": 0, "to": 49, "count": 50},
        {"parameter": "model", "values": [f"artifact:{job}/model.pkl"] * 50},
    ]
    assert (await submitted(gateway, mode="zip", axes=axes))["jobs"] == {"waiting": 50}
    assert len(asked) == 1


async def test_lists_may_be_values_of_an_axis(gateway: Gateway) -> None:
    sweep = await submitted(gateway, axes=[{"parameter": "layers", "values": [[1, 2], "3,4", []]}])
    assert sweep["axes"][0]["values"] == [[1, 2], [3, 4], []]
    assert [command.split("none ")[-1] for command in await run_all(gateway)][:2] == ["1 2", "3 4"]


async def test_what_a_sweep_would_come_to_is_told_and_nothing_is_made(gateway: Gateway) -> None:
    asked = {"experiment": "digits", "archive": await gateway.upload(ARCHIVE), "axes": GRID}
    plan = await post(gateway, "/sweeps:validate", asked)
    assert (plan["cells"], plan["jobs"], plan["reused"]) == (6, 6, 0)
    assert [axis["values"] for axis in plan["axes"]] == [[0, 0.1, 0.2], ["fgm", "pgd"]]
    assert "worker" in plan["warnings"][0]
    assert (await gateway.user.get("/experiments/digits")).status_code == 404
    await submitted(gateway)
    more = {"axes": [GRID[0] | {"to": 0.3, "count": 4}, GRID[1]]}
    plan = await post(gateway, "/sweeps:validate", asked | more)
    assert (plan["cells"], plan["jobs"], plan["reused"]) == (8, 2, 6)
    assert len((await get(gateway, "/jobs", limit=100))["items"]) == 6
    drawn = {"axes": [GRID[0], {"parameter": "seed", "from": 1, "to": 9}], "mode": "random", "count": 5}
    plan = await post(gateway, "/sweeps:validate", asked | drawn)
    made = await submitted(gateway, **drawn, seed=plan["seed"])
    assert made["axes"] == plan["axes"]
    wrong = await gateway.user.post(
        "/sweeps:validate", json=asked | {"queue": "gpu", "after": [{"job": "x"}]}
    )
    assert codes(wrong.json()) == {"/queue": "unknown_queue"}
    wrong = await gateway.user.post("/sweeps:validate", json=asked | {"after": [{"job": "nothere"}]})
    assert codes(wrong.json()) == {"/after/0/job": "unknown_job"}


async def test_a_key_makes_one_sweep(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "k"}
    first = await submitted(gateway, headers=key)
    assert (await submitted(gateway, 200, headers=key))["id"] == first["id"]
    assert (await submitted(gateway, 422, headers=key, mode="zip"))["code"] == "idempotency_key_reused"


async def test_two_like_sweeps_at_once_run_everything_once(gateway: Gateway) -> None:
    both = await asyncio.gather(submitted(gateway), submitted(gateway))
    assert sorted(one["reused"] for one in both) == [0, 6]
    assert len(await run_all(gateway)) == 6


async def test_no_more_start_than_may_and_the_keeper_lets_the_next_go(gateway: Gateway, until: Any) -> None:
    sweep = await submitted(gateway, max_parallel=2)
    first, second = await claim_next(gateway), await claim_next(gateway)
    assert first is not None
    assert second is not None
    assert await claim_next(gateway) is None
    held = next(cell["job"] for cell in await cells_of(gateway, sweep) if cell["held"])
    why = await get(gateway, f"/jobs/{held}/why")
    assert why["pending"][0]["code"] == "sweep"
    assert "no more than 2" in (await get(gateway, f"/jobs/{held}"))["pending_reason"]
    await gateway.finish(first)
    third: list[Claim] = []

    async def claimed() -> bool:
        third.extend(filter(None, [await claim_next(gateway)]))
        return bool(third)

    await until(claimed)
    assert await claim_next(gateway) is None
    answer = await gateway.user.patch(f"/sweeps/{sweep['id']}", json={"max_parallel": None})
    assert answer.json()["max_parallel"] is None
    await until(lambda: claimed_all(gateway))


async def claimed_all(gateway: Gateway) -> bool:
    await run_all(gateway)
    return (await get(gateway, "/sweeps"))["items"][0]["jobs"] == {"running": 2, "succeeded": 4}


async def test_a_page_of_a_sweep_counts_not_all_of_its_cells(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = await submitted(gateway)

    async def counted(*_: Any) -> None:
        pytest.fail("each page would be a look at every cell")

    monkeypatch.setattr(sweep_rows, "_tallies", counted)
    assert len(await cells_of(gateway, sweep)) == 6
    assert len((await get(gateway, f"/sweeps/{sweep['id'][:10]}/results"))["items"]) == 6


async def test_a_paused_sweep_starts_nothing_until_it_is_resumed(gateway: Gateway, until: Any) -> None:
    sweep = await submitted(gateway)
    paused = await post(gateway, f"/sweeps/{sweep['id']}/pause")
    assert (paused["state"], paused["held"]) == ("paused", 6)
    assert await claim_next(gateway) is None
    listed = (await get(gateway, "/jobs", sweep=sweep["id"]))["items"]
    assert all("holds it back" in job["pending_reason"] for job in listed)
    job = (await cells_of(gateway, sweep))[0]["job"]
    assert "tiltyard sweep resume" in (await get(gateway, f"/jobs/{job}"))["pending_reason"]
    assert (await post(gateway, f"/sweeps/{sweep['id']}/resume"))["state"] == "running"

    async def let_go() -> bool:
        return bool((await get(gateway, f"/sweeps/{sweep['id']}"))["held"] == 0)

    await until(let_go)
    assert len(await run_all(gateway)) == 6


async def test_a_sweep_is_cancelled_and_what_was_cancelled_is_run_again_when_asked(gateway: Gateway) -> None:
    sweep = await submitted(gateway)
    claim = await claim_next(gateway)
    assert claim is not None
    await gateway.finish(claim, state="failed", reason="exit_code")
    cancelled = await post(gateway, f"/sweeps/{sweep['id']}/cancel")
    assert (cancelled["state"], cancelled["jobs"]) == ("failed", {"failed": 1, "cancelled": 5})
    retried = await post(gateway, f"/sweeps/{sweep['id']}/retry")
    assert (retried["made"], retried["sweep"]["state"]) == (1, "running")
    assert (await post(gateway, f"/sweeps/{sweep['id']}/retry", {"cancelled": True}))["made"] == 5
    again = await cells_of(gateway, sweep)
    parents = {(await get(gateway, f"/jobs/{cell['job']}"))["parent"] for cell in again}
    assert claim.job in parents
    assert len(parents) == 6
    assert len(await run_all(gateway)) == 6
    assert (await get(gateway, f"/sweeps/{sweep['id']}"))["state"] == "succeeded"


async def test_all_jobs_of_a_sweep_are_cancelled_by_a_filter(gateway: Gateway) -> None:
    sweep, _ = await submitted(gateway), await gateway.submit()
    asked = {"sweep": sweep["id"]}
    assert (await post(gateway, "/jobs:cancel", asked | {"dry_run": True}))["matched"] == 6
    assert (await post(gateway, "/jobs:cancel", asked))["cancelled"] == 6


async def test_cells_are_read_page_by_page_and_by_state(gateway: Gateway) -> None:
    sweep = await submitted(gateway)
    claim = await claim_next(gateway)
    page = await get(gateway, f"/sweeps/{sweep['id']}/cells", limit=4)
    rest = await get(gateway, f"/sweeps/{sweep['id']}/cells", limit=4, cursor=page["next"])
    assert [cell["number"] for cell in [*page["items"], *rest["items"]]] == list(range(6))
    assert rest["next"] is None
    running = await cells_of(gateway, sweep, state="running")
    assert claim is not None
    assert [cell["job"] for cell in running] == [claim.job]


async def test_cells_wait_for_the_job_whose_file_they_need(gateway: Gateway) -> None:
    archive = await gateway.upload(ARCHIVE)
    training = await gateway.claim((await gateway.submit(archive=archive, parameters={"seed": 99})).id)
    other = await gateway.submit(archive=archive, parameters={"seed": 98})
    fixed = await submitted(gateway, parameters={"model": f"artifact:{training.job}/model.pkl"})
    models = [f"artifact:{training.job}/model.pkl", f"artifact:{other.id}/model.pkl"]
    axis = await submitted(gateway, axes=[{"parameter": "model", "values": models}])
    assert (fixed["jobs"], axis["jobs"]) == ({"waiting": 6}, {"waiting": 2})
    waits = [
        [one["job"] for one in (await get(gateway, f"/jobs/{cell['job']}"))["after"]]
        for cell in await cells_of(gateway, axis)
    ]
    assert waits == [[training.job], [other.id]]


async def test_one_stream_has_all_events_of_a_sweep_and_ends_with_it(gateway: Gateway) -> None:
    other = await gateway.submit()
    sweep = await submitted(gateway)
    async with gateway.socket(f"/events?sweep={sweep['id'][:10]}") as stream:
        frames = asyncio.create_task(frames_of(stream))
        claims = [claim for _ in range(7) if (claim := await claim_next(gateway))]
        for claim in claims:
            failed = claim.command.startswith("python attack.py 0 fgm")
            await gateway.finish(claim, state="failed" if failed else "succeeded")
        seen = await asyncio.wait_for(frames, PATIENCE)
    ends = [frame["job"] for frame in seen if frame["kind"] == "end"]
    assert sorted(ends) == sorted(claim.job for claim in claims if claim.job != other.id)
    assert (await post(gateway, f"/sweeps/{sweep['id']}/retry"))["made"] == 1
    async with gateway.socket(f"/events?sweep={sweep['id']}&resume=1") as stream:
        await stream.send(json.dumps({"after": {}}))
        frames = asyncio.create_task(frames_of(stream))
        await run_all(gateway)
        seen = await asyncio.wait_for(frames, PATIENCE)
    assert len([frame for frame in seen if frame["kind"] == "end"]) == 7, (
        "the failed one, and all that succeeded"
    )


async def test_a_sweep_that_is_not_there_is_not_found(gateway: Gateway) -> None:
    for path in ("", "/cells"):
        assert (await gateway.user.get(f"/sweeps/ffffffff{path}")).json()["code"] == "no_such_sweep"
    for verb in ("pause", "resume", "cancel", "retry"):
        assert (await gateway.user.post(f"/sweeps/ffffffff/{verb}")).status_code == 404
    async with gateway.socket("/events?sweep=ffffffff") as stream:
        await stream.wait_closed()
        assert stream.close_code == 4404


async def test_many_cells_are_there_at_once(gateway: Gateway) -> None:
    sweep = await submitted(
        gateway, axes=[{"parameter": "seed", "from": 0, "to": 4999, "count": 5000}, GRID[1]], max_parallel=10
    )
    assert (sweep["cells"], sweep["held"]) == (10_000, 9_990)
    assert Sweep.model_validate(sweep).jobs == {"queued": 10_000}
