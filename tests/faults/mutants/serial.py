"""The serial cursor: what the stream of many jobs would be with one number for all events, as most would write it."""

from tests.faults.mutants.mutant import Change

_FOLLOWER = '''async def follow_many(
    here: Parts, known: dict[str, int], *, experiment: str | None, jobs: Collection[str] | None
) -> AsyncGenerator[list[str], None]:
    """Every event of every job, in the order of their serial numbers."""
    from sqlalchemy import literal_column, select

    from tiltyard.wire import End, JobState
    from tiltyard_orchestrator.storage.jobs.events import as_event
    from tiltyard_orchestrator.storage.tables import EventRow

    serial, cursor = literal_column("event.serial"), 0
    with here.hints.subscribe() as bell:
        while True:
            async with here.database.transaction() as session:
                found = await session.execute(
                    select(EventRow, serial).where(serial > cursor).order_by(serial)
                )
                news = [(as_event(row), number) for row, number in found.all()]
            for event, cursor in news:
                if event.seq > known.get(event.job, -1):
                    known[event.job] = event.seq
                    yield [event.model_dump_json()]
                    state = JobState(event.data.get("state", "queued"))
                    if state.final:
                        yield [End(job=event.job, state=state, seq=event.seq).model_dump_json()]
            yield []
            await bell.wait(here.pace.poll)


async def _follow_many_by_seq(
'''
ADDED_SERIAL = Change(
    path="orchestrator/tiltyard_orchestrator/storage/migrations/versions/0001_first_tables.py",
    old="        EVENTS_ARE_WRITTEN_ONCE_TRIGGER,\n",
    new='        EVENTS_ARE_WRITTEN_ONCE_TRIGGER,\n        "ALTER TABLE event ADD COLUMN serial bigserial",\n',
)
ADDED_FOLLOWER = Change(
    path="api/tiltyard_api/stream/follow.py", old="async def follow_many(\n", new=_FOLLOWER
)
