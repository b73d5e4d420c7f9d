"""Cells that waited for a job in vain: a retry runs them after the job that has taken its place."""

from typing import Any

import pytest

from tests.api.conftest import Gateway
from tests.api.test_sweeps import cells_of, claim_next, get, post, run_all, submitted
from tiltyard.wire import Claim, Job


async def failed_training(gateway: Gateway, until: Any, **changes: Any) -> tuple[Job, dict[str, Any]]:
    """A job that failed, and a sweep that was to attack its model."""
    training = await gateway.submit(parameters={"eps": 0.5})
    asked = {"parameters": {"model": f"artifact:{training.id}/model.npz"}} | changes
    sweep = await submitted(gateway, **asked)
    claim = await claim_next(gateway)
    assert claim is not None
    assert claim.job == training.id
    await gateway.finish(claim, state="failed", reason="exit_code")

    async def ended() -> bool:
        return bool((await get(gateway, f"/sweeps/{sweep['id']}"))["state"] == "cancelled")

    await until(ended)
    return training, sweep


async def trained(gateway: Gateway, training: str) -> Claim:
    """Run the training job once more, to its end."""
    again = await post(gateway, f"/jobs/{training}/retry")
    claim = await claim_next(gateway)
    assert claim is not None
    assert claim.job == again["id"]
    await gateway.put(claim, "model.npz", b"weights")
    await gateway.finish(claim)
    return claim


async def test_cells_whose_training_failed_are_run_after_the_training_that_was_run_again(
    gateway: Gateway, until: Any
) -> None:
    training, sweep = await failed_training(gateway, until)
    over = await post(gateway, f"/sweeps/{sweep['id']}/retry")
    assert (over["made"], over["passed_over"], over["unmet"]) == (0, 6, [training.id])
    newer = await trained(gateway, training.id)
    again = await post(gateway, f"/sweeps/{sweep['id']}/retry")
    assert (again["made"], again["passed_over"], again["unmet"]) == (6, 0, [])
    before = {cell["job"] for cell in await cells_of(gateway, sweep)}
    claim = await claim_next(gateway)
    assert claim is not None
    assert [(one.job, one.path) for one in claim.inputs] == [(newer.job, "model.npz")]
    assert claim.inputs[0].sha256 is not None
    await gateway.finish(claim)
    assert len(await run_all(gateway)) == 5
    done = await get(gateway, f"/sweeps/{sweep['id']}")
    assert (done["state"], done["jobs"]) == ("succeeded", {"succeeded": 6})
    job = await get(gateway, f"/jobs/{claim.job}")
    assert job["parameters"]["model"] == f"artifact:{newer.job}/model.npz"
    assert job["parent"] is not None
    assert claim.job in before


async def test_a_sweep_of_the_new_training_knows_the_cells_that_a_retry_ran(
    gateway: Gateway, until: Any
) -> None:
    training, sweep = await failed_training(gateway, until)
    newer = await trained(gateway, training.id)
    await post(gateway, f"/sweeps/{sweep['id']}/retry")
    await run_all(gateway)
    same = await submitted(gateway, parameters={"model": f"artifact:{newer.job}/model.npz"})
    assert (same["reused"], same["state"]) == (6, "succeeded")


async def test_retried_cells_wait_for_a_training_that_is_on_its_way(gateway: Gateway, until: Any) -> None:
    training, sweep = await failed_training(gateway, until, max_parallel=2)
    again = await post(gateway, f"/jobs/{training.id}/retry")
    retried = await post(gateway, f"/sweeps/{sweep['id']}/retry")
    assert (retried["made"], retried["sweep"]["jobs"]) == (6, {"waiting": 6})
    claim = await claim_next(gateway)
    assert claim is not None
    assert claim.job == again["id"]
    await gateway.put(claim, "model.npz", b"weights")
    await gateway.finish(claim)

    async def two_go() -> bool:
        shown = await get(gateway, f"/sweeps/{sweep['id']}")
        return bool((shown["jobs"], shown["held"]) == ({"queued": 6}, 4))

    await until(two_go)


async def test_what_was_cancelled_while_it_waited_waits_again(gateway: Gateway) -> None:
    training = await gateway.submit(parameters={"eps": 0.5})
    sweep = await submitted(gateway, parameters={"model": f"artifact:{training.id}/model.npz"})
    await post(gateway, f"/sweeps/{sweep['id']}/cancel")
    again = await post(gateway, f"/sweeps/{sweep['id']}/retry", {"cancelled": True})
    assert (again["made"], again["sweep"]["jobs"]) == (6, {"waiting": 6})


@pytest.mark.parametrize("axis", [True, False])
async def test_only_the_cells_of_what_was_run_again_are_run_again(
    gateway: Gateway, until: Any, axis: bool
) -> None:
    training = await gateway.submit(parameters={"eps": 0.5})
    other = await gateway.submit(parameters={"eps": 0.6})
    models = [f"artifact:{job.id}/model.npz" for job in (training, other)]
    changes: dict[str, Any] = {"axes": [{"parameter": "model", "values": models}]}
    if not axis:
        changes = {"axes": changes["axes"], "after": [{"job": training.id}]}
    sweep = await submitted(gateway, **changes)
    for _ in models:
        claim = await claim_next(gateway)
        assert claim is not None
        await gateway.finish(claim, state="failed", reason="exit_code")

    async def ended() -> bool:
        return bool((await get(gateway, f"/sweeps/{sweep['id']}"))["state"] == "cancelled")

    await until(ended)
    await trained(gateway, other.id)
    again = await post(gateway, f"/sweeps/{sweep['id']}/retry")
    if axis:
        assert (again["made"], again["passed_over"], again["unmet"]) == (1, 1, [training.id])
    else:
        assert (again["made"], again["passed_over"], again["unmet"]) == (0, 2, [training.id])
