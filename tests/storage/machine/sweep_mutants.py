"""Sweeps that are wrong in one place each, so that the machine can be seen to find it."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tests.storage.machine.mutants import Wrong, everywhere
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.storage.jobs import moves
from tiltyard_orchestrator.storage.sweeps import let_go, lost, read, retry, steer, submit
from tiltyard_orchestrator.storage.tables.jobs import JobRow


def room_that_never_ends(patch: pytest.MonkeyPatch) -> None:
    async def none(session: AsyncSession, sweep: str) -> int:
        return 0

    everywhere(patch, (let_go, retry), "count_under_way", none)


def pause_that_leaves_the_line_alone(patch: pytest.MonkeyPatch) -> None:
    async def nothing(session: AsyncSession, sweep: str, *, keep: int) -> None:
        return None

    patch.setattr(steer, "hold_back", nothing)


def jobs_that_come_back_unheld(patch: pytest.MonkeyPatch) -> None:
    queued = moves._queued

    def unheld(row: JobRow, pause: float) -> dict[str, Any]:
        return queued(row, pause) | {"held": False}

    patch.setattr(moves, "_queued", unheld)


def cells_that_are_never_known(patch: pytest.MonkeyPatch) -> None:
    async def none(session: AsyncSession, experiment: str, digests: Iterable[str]) -> dict[str, str]:
        return {}

    everywhere(patch, (submit, retry), "known_jobs", none)


def retry_that_forgets_its_limit(patch: pytest.MonkeyPatch) -> None:
    async def none(session: AsyncSession, sweep: str) -> int:
        return 0

    patch.setattr(retry, "count_under_way", none)


def counts_that_leave_the_cancelled_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(read, "FINAL_STATES", {JobState.succeeded, JobState.failed})


def cancel_that_leaves_what_nobody_wants(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(steer, "_left_alone", lambda sweep: col(JobRow.sweep_id) == sweep)


def retry_that_waits_for_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lost, "satisfied", lambda *_: True)


MUTANTS: Mapping[str, Wrong] = {
    wrong.__name__.replace("_", " "): wrong
    for wrong in (
        room_that_never_ends,
        pause_that_leaves_the_line_alone,
        jobs_that_come_back_unheld,
        cells_that_are_never_known,
        retry_that_forgets_its_limit,
        counts_that_leave_the_cancelled_out,
        cancel_that_leaves_what_nobody_wants,
        retry_that_waits_for_nothing,
    )
}
