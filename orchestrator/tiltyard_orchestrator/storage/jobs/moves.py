"""The one place that writes a job's state: under the row's lock, by a rule of the lifecycle, with its event beside it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, case, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from tiltyard.wire.events import EventKind
from tiltyard.wire.jobs import Failure, JobState
from tiltyard_orchestrator.domain.lifecycle import RULES, Call, Outcome, Rule, Standing
from tiltyard_orchestrator.domain.turn import head_start
from tiltyard_orchestrator.storage.tables import EventRow, JobRow


async def lock(session: AsyncSession, job: str) -> JobRow | None:
    """Take a job's row lock, whatever its state.

    It keeps off whoever would move the job, and not those that only need it to stay: submissions that wait for it.
    """
    found = await session.scalars(select(JobRow).where(col(JobRow.id) == job).with_for_update(key_share=True))
    return found.one_or_none()


async def lock_attempt(session: AsyncSession, job: str, epoch: int) -> JobRow | None:
    """Take the row lock of a job that is running under this epoch; None when somebody else holds it by now."""
    found = await session.scalars(
        select(JobRow)
        .where(col(JobRow.id) == job, col(JobRow.epoch) == epoch, col(JobRow.state) == JobState.running)
        .with_for_update(key_share=True)
    )
    return found.one_or_none()


async def move(
    session: AsyncSession,
    row: JobRow,
    call: Call,
    outcome: Outcome,
    *,
    data: Mapping[str, Any] | None = None,
    pause: float = 0,
    **columns: Any,
) -> None:
    """Move a locked job to where the outcome says, and write the event that tells of it.

    Args:
        session: the transaction that holds the row's lock.
        row: the locked row; it is refreshed, so that it shows the job as it stands afterwards.
        call: the verb that moves it.
        outcome: the new state, its reason and message.
        data: more for the event.
        pause: seconds before a queued job may be claimed.
        columns: more for the row, such as `lease_until`.

    Raises:
        ValueError: the lifecycle knows no such move.
    """
    rule = _checked(call, row, outcome)
    values: dict[str, Any] = {
        "state": outcome.state.value,
        "reason": outcome.reason.value if outcome.reason else None,
        "message": outcome.message,
        "seq": row.seq + 1,
        "epoch": row.epoch + rule.new_epoch,
        "lease_until": None,
        "finished_at": func.now() if outcome.state.final else None,
    }
    values |= _queued(row, pause) if outcome.state is JobState.queued else _NOT_QUEUED
    attempt = columns.get("attempt", row.attempt)
    event = {
        "state": values["state"],
        "reason": values["reason"],
        "message": values["message"],
        **(data or {}),
    }
    await session.execute(
        update(JobRow)
        .where(col(JobRow.id) == row.id)
        .values(values | columns)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        insert(EventRow).values(
            job_id=row.id,
            seq=row.seq + 1,
            kind=EventKind.state.value,
            attempt=attempt,
            data={key: value for key, value in event.items() if value is not None},
        )
    )
    await session.refresh(row)


def _checked(call: Call, row: JobRow, outcome: Outcome) -> Rule:
    rule = RULES[call]
    if JobState(row.state) not in rule.sources or outcome.state not in rule.targets:
        raise ValueError(f"{call} does not move a job from {row.state} to {outcome.state}")
    return rule


_NOT_QUEUED: Mapping[str, Any] = {"dispatch_at": None, "ready_at": None, "queued_until": None, "held": False}


def _queued(row: JobRow, pause: float) -> dict[str, Any]:
    ready = func.now() + seconds(pause)
    # Whether one more job of a sweep may go on is decided under the sweep's row lock: see let_go.py.
    held = row.sweep_id is not None
    waits = row.queue_timeout is not None and not held
    return {
        "dispatch_at": ready,
        "ready_at": ready,
        "turn_at": row.turn_at or ready - seconds(head_start(row.priority)),
        "queued_until": ready + seconds(row.queue_timeout or 0) if waits else None,
        "held": held,
    }


async def move_many(session: AsyncSession, rows: Sequence[JobRow], call: Call, outcome: Outcome) -> None:
    """Move locked jobs that all go the same way, by one statement.

    The rows leave the session, so that nobody reads there what they were.

    Raises:
        ValueError: the lifecycle knows no such move of one of them.
    """
    rule = RULES[call]
    for row in rows:
        _checked(call, row, outcome)
    told = {"state": outcome.state.value, "reason": outcome.reason, "message": outcome.message}
    moved = (
        update(JobRow)
        .where(col(JobRow.id).in_([row.id for row in rows]))
        .values(
            told
            | {
                "seq": col(JobRow.seq) + 1,
                "epoch": col(JobRow.epoch) + int(rule.new_epoch),
                "lease_until": None,
                "finished_at": func.now() if outcome.state.final else None,
            }
            | (_all_queued() if outcome.state is JobState.queued else dict(_NOT_QUEUED))
        )
        .returning(col(JobRow.id), col(JobRow.seq), col(JobRow.attempt))
        .cte("moved")
    )
    data = literal({key: str(value) for key, value in told.items() if value is not None}, JSONB)
    kind = literal(EventKind.state.value)
    await session.execute(
        insert(EventRow).from_select(
            ["job_id", "seq", "kind", "attempt", "data"],
            select(moved.c.id, moved.c.seq, kind, moved.c.attempt, data),
        )
    )
    for row in rows:
        session.expunge(row)


def _all_queued() -> dict[str, Any]:
    """As `_queued`, in the words of the database."""
    ready, wait = func.now(), col(JobRow.queue_timeout)
    held = col(JobRow.sweep_id).is_not(None)
    return {
        "dispatch_at": ready,
        "ready_at": ready,
        "turn_at": func.coalesce(col(JobRow.turn_at), ready - interval(col(JobRow.priority) * head_start(1))),
        "queued_until": case((and_(wait.is_not(None), ~held), ready + interval(wait))),
        "held": held,
    }


def standing_of(row: JobRow) -> Standing:
    """What decides whether a running job gets another attempt."""
    return Standing(
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        retry_on=[Failure(name) for name in row.retry_on],
        cancel_requested=row.cancel_requested,
    )


async def append(
    session: AsyncSession,
    row: JobRow,
    events: Sequence[tuple[EventKind, Mapping[str, Any], datetime | None]],
    **columns: Any,
) -> None:
    """Write events of a locked job behind those it has; their `seq` follow without a gap.

    A worker's clock may be wrong, so that an event's time is kept between the attempt's start and now.
    """
    if events:
        now = (await session.execute(select(func.now()))).scalar_one()
        earliest = row.started_at or row.created_at
        await session.execute(
            insert(EventRow),
            [
                {
                    "job_id": row.id,
                    "seq": seq,
                    "at": now if at is None else min(max(at, earliest), now),
                    "kind": kind.value,
                    "attempt": row.attempt,
                    "data": dict(data),
                }
                for seq, (kind, data, at) in enumerate(events, start=row.seq + 1)
            ],
        )
    await session.execute(
        update(JobRow)
        .where(col(JobRow.id) == row.id)
        .values({"seq": row.seq + len(events)} | columns)
        .execution_options(synchronize_session=False)
    )
    await session.refresh(row)


def seconds(value: float) -> timedelta:
    """A length of time as PostgreSQL takes it."""
    return timedelta(seconds=value)


def interval(column: Any) -> Any:
    """A number of seconds that a row has, as an interval."""
    return func.make_interval(0, 0, 0, 0, 0, 0, column)
