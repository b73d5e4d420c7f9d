"""What a fault is given, and what it gives back."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.faults.ledger import Held
from tests.faults.load import Load
from tests.faults.witness import Witness
from tests.faults.yard import Yard


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A yard under load, and who watches it."""

    yard: Yard
    load: Load
    witness: Witness

    def at_work(self) -> list[Held]:
        """The jobs that are held, whose own process beats now."""
        return [held for held in self.yard.ledger.held() if self.witness.beats(held.job)]


def _nothing() -> None:
    """Heal what needs no healing."""


@dataclass(kw_only=True)
class Bite:
    """One fault that was injected, and what it did."""

    hit: str
    """What was hit, in a few words."""
    bit: bool = True
    """Whether it did what it is for: a worker that held no job was killed in vain."""
    at: float = field(default_factory=time.monotonic)
    heal: Callable[[], None] = _nothing
    """Ends the fault; called once, before anything else is injected."""
    recovered: Callable[[], float | None] | None = None
    """Waits, after the healing, until all goes on; gives the seconds that it took, or None when it did not."""
    lost_leases: frozenset[str] = frozenset()
    """The jobs whose lease may run out by this fault. Any other lease that runs out is a finding."""
    may_overlap: bool = False
    """Whether two attempts of those jobs may run at once: a worker was frozen or cut off for longer than its lease."""
    ended_by_it: frozenset[str] = frozenset()
    """The jobs that may fail by it, because the fault is their own end."""
    failed_starts: frozenset[str] = frozenset()
    """The jobs that may fail to start by it, and are tried again."""
    trouble: str | None = None
    """What went wrong that is no question of luck, such as a part that does not come back."""
    fault: str = ""
    in_flight: frozenset[str] = frozenset()
    """The jobs that had not ended when it was injected."""
    healed_at: float = 0.0
    recovery: float | None = None
    """Seconds: from a fault to the end of its harm, or, of those that last for a while, from their end."""
    took: float = 0.0
    """Seconds that all of it took."""


class Fault(Protocol):
    """A kind of fault."""

    name: str
    needs_rabbitmq: bool
    # And, where it needs a disk of the yard's own: needs_disks = True.

    def inject(self, scene: Scene, rng: random.Random, /) -> Bite:
        """Do it."""
        ...
