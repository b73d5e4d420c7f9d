"""Everything there is, apart from the steps: jobs, workers, and the bells on their way."""

from enum import StrEnum
from typing import NamedTuple

from tests.model.protocol import Job

NAMES = ("the first job", "the second job")


class Doing(StrEnum):
    """What a worker is at."""

    idle = "idle"
    asking = "asking"
    """Its claim was committed, the answer was lost, and it will ask again with the same token."""
    running = "running"
    ended = "ended"
    """The attempt is over, and its result is to be sent, or was sent and not answered."""
    leaving = "leaving"
    """It is stopped, and hands its job back until it is answered."""


class Worker(NamedTuple):
    """A worker: what it is at, and the attempt that its token stands for."""

    doing: Doing = Doing.idle
    job: int = -1
    epoch: int = 0
    told: bool = False
    """It was told that its end is asked for."""
    result: str = ""


IDLE = Worker()


class State(NamedTuple):
    """Everything there is."""

    jobs: tuple[Job, ...]
    workers: tuple[Worker, ...]
    """Sorted: which worker is which does not matter."""
    bells: int = 0
    """In the broker. A bell says that the queue has a job, and not which."""
    stops: int = 0
    """How often a worker may still be stopped on purpose."""
    paused: bool = False


class Step(NamedTuple):
    """Something that may happen."""

    words: str
    fair: bool
    """Whether it happens sooner or later if it can: no fault, and nobody's whim."""
    job: int
    caller: int
    """The epoch that a worker's call names; 0 where it is nobody's call."""
    after: State


def with_job(state: State, index: int, job: Job) -> State:
    return state._replace(jobs=(*state.jobs[:index], job, *state.jobs[index + 1 :]))


def with_worker(state: State, old: Worker, new: Worker) -> State:
    others = list(state.workers)
    others.remove(old)
    return state._replace(workers=tuple(sorted([*others, new])))
