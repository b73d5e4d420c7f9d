"""What must hold, each as a sentence and as a question about one state or one step. They are written from the promise,
and ask none of the decisions that they judge.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from tests.model.protocol import Bell, Job, Lease
from tests.model.state import State, Step
from tests.model.world import World
from tiltyard.wire.jobs import FINAL_STATES, Condition, JobState

FINAL = "a final state is never left"
ONE_END = "a job that has ended has exactly one final event, and no other job has one"
STALE = "a call of an epoch that does not hold the job changes nothing"
RECORDED = "the result that is recorded is that of the epoch that was running"
TAKEN = "a running job is taken from its worker only when its lease has run out"
ATTEMPTS = "a job is started at most max_attempts times"
ONE_HOLDER = "at most one worker has the newest epoch of a job"
FENCED = "a worker has the newest epoch of a job only while it runs it, or has ended it"
LEASED = "a lease belongs to a running job"
DUE = "a bell is due for a queued job alone"
ASKED = "a job whose end was asked for while it ran is not started again"
CONDITION = "a job does not start before what it waits for has come"


class Change(NamedTuple):
    """A row before and after a step."""

    old: Job
    new: Job
    caller: int
    """The epoch that a worker's call of this job named; 0 where it was nobody's call."""


def broken_by_state(world: World, state: State) -> Iterator[str]:
    """The properties that do not hold in a state."""
    for index, job in enumerate(state.jobs):
        yield from _broken_by_job(world, job)
        newest = [worker for worker in state.workers if worker.job == index and worker.epoch == job.epoch]
        if len(newest) > 1:
            yield ONE_HOLDER
        if newest and job.state is not JobState.running and job.finished_epoch != job.epoch:
            yield FENCED


def _broken_by_job(world: World, job: Job) -> Iterator[str]:
    if job.ends != (job.state in FINAL_STATES):
        yield ONE_END
    if job.attempt > world.protocol.max_attempts:
        yield ATTEMPTS
    if (job.lease is Lease.none) == (job.state is JobState.running):
        yield LEASED
    if (job.bell is Bell.none) == (job.state is JobState.queued):
        yield DUE
    if job.state is JobState.succeeded and job.finished_epoch != job.epoch:
        yield RECORDED


def broken_by_step(world: World, before: State, step: Step) -> Iterator[str]:
    """The properties that do not hold of a step."""
    if step.after.jobs is before.jobs:
        return
    for index, (old, new) in enumerate(zip(before.jobs, step.after.jobs, strict=True)):
        if new != old:
            change = Change(old, new, step.caller if step.job == index else 0)
            yield from (name for name, broken in BY_CHANGE.items() if broken(change))
            if index == 1 and _starts(change) and not _met(world.protocol.condition, before.jobs[0].state):
                yield CONDITION


def _starts(change: Change) -> bool:
    return change.new.state is JobState.running and change.new.epoch != change.old.epoch


def _met(condition: Condition | None, first: JobState | None) -> bool:
    match condition:
        case None:
            return True
        case Condition.any:
            return first in FINAL_STATES
        case Condition.succeeded:
            return first is JobState.succeeded
        case Condition.failed:
            return first is JobState.failed


def _recorded_wrongly(change: Change) -> bool:
    old, new, caller = change
    return new.finished_epoch != old.finished_epoch and not (
        old.state is JobState.running and new.finished_epoch == old.epoch == caller
    )


def _stale(change: Change) -> bool:
    old, _, caller = change
    return caller > 0 and not (old.state is JobState.running and old.epoch == caller)


def _taken(change: Change) -> bool:
    old, new, caller = change
    leaves = old.state is JobState.running and (new.epoch, new.state) != (old.epoch, old.state)
    return leaves and caller != old.epoch and old.lease is not Lease.over


BY_CHANGE: Mapping[str, Callable[[Change], bool]] = {
    FINAL: lambda change: change.old.state in FINAL_STATES,
    RECORDED: _recorded_wrongly,
    STALE: _stale,
    TAKEN: _taken,
    ASKED: lambda change: change.old.asked and _starts(change),
}
"""What is wrong with a change, for the properties that one row can tell."""


def ended(state: State) -> bool:
    """Whether everything that was submitted has ended."""
    return all(job.state is None or job.state in FINAL_STATES for job in state.jobs)
