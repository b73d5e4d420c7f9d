"""What callers, keepers, the clock and the broker may do next.

Keepers look whenever they like, callers cancel whenever they like, the broker loses and doubles bells. A keeper that is
killed between its commit and its publish is not told apart: that is a bell that was lost.
"""

from collections.abc import Iterator

from tests.model.protocol import Bell, Lease, Protocol
from tests.model.state import NAMES, State, Step, with_job
from tiltyard.wire.jobs import JobState


def submit(protocol: Protocol, state: State, index: int) -> Iterator[Step]:
    """The first job comes first, so that the second one can name it."""
    if state.jobs[index].state is None and (index == 0 or state.jobs[0].state is not None):
        new = protocol.submit(waits=index > 0 and bool(protocol.after))
        yield Step(f"{NAMES[index]} is submitted", False, index, 0, with_job(state, index, new))


def cancel(protocol: Protocol, state: State, index: int) -> Iterator[Step]:
    """Asked for at any moment; asking again changes nothing."""
    job = state.jobs[index]
    if job.state is not None and (cancelled := protocol.cancel(job)) != job:
        words = f"the end of {NAMES[index]} is asked for"
        yield Step(words, False, index, 0, with_job(state, index, cancelled))


def keepers(protocol: Protocol, state: State, index: int, *, most_bells: int) -> Iterator[Step]:
    """Settle, dispatch and expire."""
    job, name = state.jobs[index], NAMES[index]
    if job.state is JobState.waiting and protocol.over(state.jobs[0]):
        settled = protocol.settle(job, state.jobs[0])
        words = f"the keeper settles {name}: {settled.state}"
        yield Step(words, True, index, 0, with_job(state, index, settled))
    if job.state is JobState.queued and job.bell is Bell.due and not state.paused:
        rung = with_job(state, index, job._replace(bell=Bell.rung))
        rung = rung._replace(bells=min(state.bells + 1, most_bells))
        yield Step(f"the keeper rings for {name}", True, index, 0, rung)
    if protocol.late(job):
        expired = protocol.expire(job)
        words = f"the keeper takes the lease of {name} away: {expired.state}"
        yield Step(words, True, index, 0, with_job(state, index, expired))


def overdue(protocol: Protocol, state: State, index: int) -> Iterator[Step]:
    """The queue time-out, which a job must never need to come to its end."""
    job = state.jobs[index]
    if job.state is JobState.queued and job.bell is not Bell.pausing:
        words = f"the keeper ends {NAMES[index]}, which nobody took in time"
        yield Step(words, False, index, 0, with_job(state, index, protocol.overdue(job)))


def time(protocol: Protocol, state: State, index: int) -> Iterator[Step]:
    """What the database's clock alone brings about."""
    job, name = state.jobs[index], NAMES[index]
    due = with_job(state, index, job._replace(bell=Bell.due))
    if job.bell is Bell.pausing:
        yield Step(f"the pause of {name} is over", True, index, 0, due)
    if protocol.rings_again(job):
        yield Step(f"it is time to ring for {name} again", True, index, 0, due)
    if job.lease is Lease.held:
        alive = any(worker.job == index and worker.epoch == job.epoch for worker in state.workers)
        who = "whose worker is frozen or cut off" if alive else "whose worker is gone"
        over = with_job(state, index, job._replace(lease=Lease.over))
        yield Step(f"the lease of {name}, {who}, runs out", not alive, index, 0, over)


def broker(state: State, *, most_bells: int) -> Iterator[Step]:
    """Lose and double."""
    if state.bells:
        yield Step("a bell is lost", False, -1, 0, state._replace(bells=state.bells - 1))
    if 0 < state.bells < most_bells:
        yield Step("a bell is doubled", False, -1, 0, state._replace(bells=state.bells + 1))


def pause(state: State) -> Iterator[Step]:
    """Somebody pauses the queue, and resumes it sooner or later."""
    words = "the queue is resumed" if state.paused else "the queue is paused"
    yield Step(words, state.paused, -1, 0, state._replace(paused=not state.paused))
