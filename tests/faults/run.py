"""A run: a steady load, and faults one at a time, in rounds of every kind, until enough of them have bitten."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.broker import RabbitMQ
from tests.faults.leftovers import mounts
from tests.faults.load import Load
from tests.faults.scene import Bite, Fault, Scene
from tests.faults.verdict import Verdict, judge
from tests.faults.witness import Witness
from tests.faults.yard import Yard, yard
from tests.servers import wait_for

TRIES = 4
"""How often a fault is injected in its turn, until it bites."""
PAUSE_SECONDS = 0.5
QUIET_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that a run showed."""

    bites: list[Bite]
    verdict: Verdict
    skipped: list[str]
    """The kinds that could not be injected here, and why."""
    seconds: float


@contextmanager
def scene_of(
    seed: int, source: Path | None = None, *, rabbitmq: bool | None = None, compiled: Path | None = None
) -> Iterator[Scene]:
    """A yard, its witness and a load that was not started."""
    with ExitStack() as stack:
        built = stack.enter_context(yard(source, rabbitmq=rabbitmq, compiled=compiled))
        witness = Witness()
        stack.callback(witness.close)
        load = Load(built.url, built.token, witness.port, random.Random(seed))
        stack.callback(load.close)
        yield Scene(yard=built, load=load, witness=witness)


def run(
    faults: Sequence[Fault],
    *,
    count: int,
    seed: int,
    want: int = 6,
    source: Path | None = None,
    rabbitmq: bool | None = None,
    compiled: Path | None = None,
    tell: Callable[[str], None] = print,
) -> Outcome:
    """Inject until `count` faults have bitten, then judge.

    Args:
        faults: the kinds; each has its turn once in a round, in an order of its own.
        count: how many are to bite.
        seed: decides the order, what is hit and how long jobs run.
        want: jobs that are kept in flight.
        source: a checkout whose code is run; None: the installed one.
        rabbitmq: whether the broker is RabbitMQ; None: where it is installed.
        compiled: where compiled code is kept from run to run.
        tell: takes a line on each fault.
    """
    began = time.monotonic()
    before = mounts()
    with scene_of(seed, source, rabbitmq=rabbitmq, compiled=compiled) as scene:
        able = [fault for fault in faults if _lacks(fault, scene.yard) is None]
        tell(f"the yard stands after {time.monotonic() - began:.0f} s")
        scene.load.start(want=want)
        wait_for(scene.witness.lives, seconds=60)
        bites: list[Bite] = []
        for bite in injected(scene, able, random.Random(seed)):
            bites.append(bite)
            bitten = sum(one.bit for one in bites)
            tell(_line(bite, bitten, count, scene))
            if bitten >= count or _hopeless(bites, len(able)) or scene.load.given_up:
                break
        scene.load.stop(quiet_seconds=QUIET_SECONDS)
        verdict = judge(scene, bites, mounts_before=before)
        skipped = [f"{fault.name}: {_lacks(fault, scene.yard)}" for fault in faults if fault not in able]
    return Outcome(bites=bites, verdict=verdict, skipped=skipped, seconds=time.monotonic() - began)


def injected(scene: Scene, faults: Sequence[Fault], rng: random.Random) -> Iterator[Bite]:
    """Faults without end, in rounds; each is healed before the next one."""
    while True:
        for fault in rng.sample(faults, len(faults)):
            for _ in range(TRIES):
                bite = inject(scene, fault, rng)
                yield bite
                time.sleep(PAUSE_SECONDS)
                if bite.bit:
                    break


def inject(scene: Scene, fault: Fault, rng: random.Random) -> Bite:
    """Inject one fault, heal it, and see how long it takes until all goes on."""
    began = time.monotonic()
    in_flight = frozenset(one.job for one in scene.load.accepted if one.ended_at is None and one.job)
    try:
        bite = fault.inject(scene, rng)
        bite.heal()
        bite.healed_at = time.monotonic()
        if bite.recovered is not None and bite.bit:
            bite.recovery = bite.recovered()
            if bite.recovery is None:
                bite.trouble = bite.trouble or f"after {fault.name} ({bite.hit}) it did not go on"
    except (TimeoutError, AssertionError, subprocess.TimeoutExpired, OSError) as error:
        bite = Bite(
            hit=f"{error}", bit=False, trouble=f"{fault.name} could not be injected or healed: {error!r}"
        )
        scene.yard.heal()
    bite.in_flight, bite.took = in_flight, time.monotonic() - began
    bite.fault = fault.name
    return bite


def _hopeless(bites: Sequence[Bite], kinds: int) -> bool:
    """Whether nothing bites any more."""
    latest = bites[-kinds * TRIES :]
    return len(latest) == kinds * TRIES and not any(bite.bit for bite in latest)


def _lacks(fault: Fault, built: Yard) -> str | None:
    if fault.needs_rabbitmq and not isinstance(built.broker, RabbitMQ):
        return "there is no RabbitMQ"
    if getattr(fault, "needs_disks", False) and not built.disks:
        return "nothing may be mounted, so that there is no small disk"
    return None


def _line(bite: Bite, bitten: int, count: int, scene: Scene) -> str:
    took = f", goes on after {bite.recovery:.1f} s" if bite.recovery is not None else ""
    missed = "" if bite.bit else " (did not bite)"
    ended = len(scene.load.sent) - scene.load.in_flight
    return f"{bitten:4}/{count} {bite.took:5.1f} s  {bite.fault:29} {bite.hit}{missed}{took}   [{ended} jobs ended]"
