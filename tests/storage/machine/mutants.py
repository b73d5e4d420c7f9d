"""Storage that is wrong in one place each, so that the machine can be seen to find it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from types import MappingProxyType, ModuleType
from typing import Any

import pytest
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col

from tests.storage.machine import callers
from tiltyard.wire import EventKind, QueuePatch, Reported
from tiltyard.wire.jobs import JobState
from tiltyard_orchestrator.domain.lifecycle import RULES, Call, Outcome, Standing
from tiltyard_orchestrator.storage import queues
from tiltyard_orchestrator.storage.jobs import (
    cancel,
    claim,
    expire,
    finish,
    moves,
    overdue,
    release,
    report,
    settle,
    submit,
)
from tiltyard_orchestrator.storage.tables import JobRow

Wrong = Callable[[pytest.MonkeyPatch], None]
MOVERS = (cancel, claim, expire, finish, overdue, release)


def everywhere(patch: pytest.MonkeyPatch, modules: Sequence[ModuleType], name: str, wrong: object) -> None:
    for module in modules:
        patch.setattr(module, name, wrong)


def no_epoch_check(patch: pytest.MonkeyPatch) -> None:
    async def lock_attempt(session: AsyncSession, job: str, epoch: int) -> JobRow | None:
        row = await moves.lock(session, job)
        return row if row is not None and row.state == JobState.running else None

    everywhere(patch, (report, finish, release), "lock_attempt", lock_attempt)


def no_state_check(patch: pytest.MonkeyPatch) -> None:
    async def lock_attempt(session: AsyncSession, job: str, epoch: int) -> JobRow | None:
        row = await moves.lock(session, job)
        return row if row is not None and row.epoch == epoch else None

    everywhere(patch, (report, finish, release), "lock_attempt", lock_attempt)


def expiry_keeps_the_epoch(patch: pytest.MonkeyPatch) -> None:
    rules = {**RULES, Call.expire: replace(RULES[Call.expire], new_epoch=False)}
    patch.setattr(moves, "RULES", MappingProxyType(rules))


def serial_cursor(patch: pytest.MonkeyPatch) -> None:
    """A `seq` from one counter for all jobs."""
    cursor = count(1)
    move, append = moves.move, moves.append

    async def serial_move(
        session: AsyncSession, row: JobRow, call: Call, outcome: Outcome, **columns: Any
    ) -> None:
        set_committed_value(row, "seq", next(cursor))
        await move(session, row, call, outcome, **columns)

    async def serial_append(
        session: AsyncSession,
        row: JobRow,
        events: Sequence[tuple[EventKind, Mapping[str, Any], datetime | None]],
        **columns: Any,
    ) -> None:
        for event in events:
            set_committed_value(row, "seq", next(cursor))
            await append(session, row, [event])
        await append(session, row, [], **columns)

    everywhere(patch, MOVERS, "move", serial_move)
    everywhere(patch, (report, cancel), "append", serial_append)


def finish_that_is_answered_once(patch: pytest.MonkeyPatch) -> None:
    async def never(session: AsyncSession, job: str, epoch: int) -> None:
        return None

    patch.setattr(finish, "_answered_before", never)


def report_that_is_written_as_often_as_it_is_sent(patch: pytest.MonkeyPatch) -> None:
    async def append_all(
        session: AsyncSession, row: JobRow, first: int, events: Sequence[Reported], **columns: Any
    ) -> None:
        await report.append_new(session, row, max(first, row.reported), events, **columns)

    patch.setattr(finish, "append_new", append_all)


def priority_that_counts_for_nothing(patch: pytest.MonkeyPatch) -> None:
    everywhere(patch, (submit, moves), "head_start", lambda _: 0.0)


def attempts_without_end(patch: pytest.MonkeyPatch) -> None:
    def patient(row: JobRow) -> Standing:
        return replace(moves.standing_of(row), max_attempts=99)

    everywhere(patch, (finish, expire), "standing_of", patient)


def cancel_that_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    def forgetful(row: JobRow) -> Standing:
        return replace(moves.standing_of(row), cancel_requested=False)

    everywhere(patch, (finish, expire), "standing_of", forgetful)


def any_end_is_good_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle, "dead_end", lambda *_: None)


def resumed_queue_ends_pauses(patch: pytest.MonkeyPatch) -> None:
    async def rash(session: AsyncSession, name: str, change: QueuePatch, *, lost_after: float) -> None:
        await queues.patch_queue(session, name, change, lost_after=lost_after)
        if change.paused is False:
            queued = update(JobRow).where(col(JobRow.queue) == name, col(JobRow.state) == JobState.queued)
            await session.execute(queued.values(dispatch_at=func.now()))

    patch.setattr(callers, "patch_queue", rash)


MUTANTS: Mapping[str, Wrong] = {
    wrong.__name__.replace("_", " "): wrong
    for wrong in (
        no_epoch_check,
        no_state_check,
        expiry_keeps_the_epoch,
        serial_cursor,
        finish_that_is_answered_once,
        report_that_is_written_as_often_as_it_is_sent,
        priority_that_counts_for_nothing,
        attempts_without_end,
        cancel_that_is_forgotten,
        any_end_is_good_enough,
        resumed_queue_ends_pauses,
    )
}
