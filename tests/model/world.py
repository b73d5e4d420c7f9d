"""A world to explore: who is in it, how often what can go wrong may, and every step that may be next."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.model import steps
from tests.model.protocol import Job, Protocol
from tests.model.state import IDLE, State, Step
from tests.model.workers import worker_steps


@dataclass(frozen=True, kw_only=True)
class World:
    """The bounds that make a world small enough to see all of it."""

    protocol: Protocol
    jobs: int = 1
    """Two at most; the second one waits for the first where the protocol has a condition."""
    workers: int = 2
    bells: int = 2
    """How many are in the broker at most."""
    stops: int = 1
    """How often a worker is stopped on purpose at most: such an attempt does not count, so that nothing else bounds it."""
    cancels: bool = True
    queue_timeout: bool = False
    pauses: bool = False

    def start(self) -> State:
        """Nothing is submitted yet."""
        return State(jobs=(Job(),) * self.jobs, workers=(IDLE,) * self.workers, stops=self.stops)

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that may happen next."""
        for index in range(self.jobs):
            yield from steps.submit(self.protocol, state, index)
            if self.cancels:
                yield from steps.cancel(self.protocol, state, index)
            yield from steps.keepers(self.protocol, state, index, most_bells=self.bells)
            yield from steps.time(self.protocol, state, index)
            if self.queue_timeout:
                yield from steps.overdue(self.protocol, state, index)
        for worker in dict.fromkeys(state.workers):
            yield from worker_steps(self.protocol, state, worker)
        yield from steps.broker(state, most_bells=self.bells)
        if self.pauses:
            yield from steps.pause(state)
