"""Tries a mutant: a short run with the faults that provoke it, judged by the same judge as every other run."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from tests.faults.leftovers import mounts
from tests.faults.mutants.mutant import Mutant, seeded
from tests.faults.part import cmdline, send
from tests.faults.run import TRIES, inject, scene_of
from tests.faults.scene import Bite, Fault, Scene
from tests.faults.verdict import Finding, Verdict, judge
from tests.servers import wait_for

WANT = 5
ENOUGH = 6
"""Jobs of a run without any fault."""
QUIET_SECONDS = 12.0
"""Longer than a lease and a keeper's patience: what has not moved by then does not move any more."""
START_SECONDS = 60.0
CHANCES = 2
"""A fault hits at some moment, and now and then at one that does no harm."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of a mutant."""

    mutant: Mutant
    bites: list[Bite]
    verdict: Verdict
    seconds: float

    @property
    def evidence(self) -> list[Finding]:
        """The findings that convict it. Any others are not its own doing, or not what it is there for."""
        return [finding for finding in self.verdict.findings if finding.kind in self.mutant.caught_as]


class Hasty:
    """A fault after which nobody waits until all goes on: with a mutant it may never do so."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.name = fault.name
        self.needs_rabbitmq = fault.needs_rabbitmq

    def inject(self, scene: Scene, rng: random.Random) -> Bite:
        bite = self._fault.inject(scene, rng)
        bite.recovered = None
        return bite


def trial(mutant: Mutant, *, seed: int, compiled: Path) -> Trial:
    """Run a mutant until it is judged.

    Args:
        mutant: which.
        seed: decides what is hit and how long jobs run.
        compiled: where compiled code is kept from trial to trial.
    """
    began, before = time.monotonic(), mounts()
    # The embedded broker: it starts at once, and no mutant is about the broker.
    with seeded(mutant) as source, scene_of(seed, source, rabbitmq=False, compiled=compiled) as scene:
        try:
            scene.load.start(want=WANT)
            wait_for(scene.witness.lives, seconds=START_SECONDS)
            bites = _provoked(scene, mutant.provoked_by, random.Random(seed))
            scene.load.stop(quiet_seconds=QUIET_SECONDS)
            verdict = judge(scene, bites, mounts_before=before)
        finally:
            send(_jobs_of(scene), signal.SIGKILL)
    return Trial(mutant=mutant, bites=bites, verdict=verdict, seconds=time.monotonic() - began)


def survivors(mutants: Sequence[Mutant], *, seed: int, tell: Callable[[str], None]) -> list[Mutant]:
    """Try each, and once more if it was not caught; gives those that never were."""
    left = []
    with TemporaryDirectory(prefix="tyc-") as compiled:
        for mutant in mutants:
            for chance in range(CHANCES):
                tried = trial(mutant, seed=seed + chance, compiled=Path(compiled))
                tell(as_line(tried))
                if tried.evidence:
                    break
            else:
                left.append(mutant)
    return left


def as_line(one: Trial) -> str:
    """What became of it, in one line."""
    faults = ", ".join(fault.name for fault in one.mutant.provoked_by) or "none"
    if not one.evidence:
        missed = "" if all(bite.bit for bite in one.bites) else ", and its fault did not bite"
        return (
            f"SURVIVED {one.mutant.name} (faults: {faults}; {one.seconds:.0f} s{missed}): {one.mutant.says}"
        )
    kinds = ", ".join(sorted({finding.kind for finding in one.evidence}))
    return f"caught   {one.mutant.name} (faults: {faults}; {one.seconds:.0f} s) as {kinds}: {one.evidence[0].said}"


def _provoked(scene: Scene, faults: Sequence[Fault], rng: random.Random) -> list[Bite]:
    if not faults:
        with suppress(TimeoutError):
            wait_for(lambda: len(scene.load.sent) - scene.load.in_flight >= ENOUGH, seconds=START_SECONDS)
    bites = []
    for fault in faults:
        for _ in range(TRIES):
            bites.append(inject(scene, Hasty(fault), rng))
            if bites[-1].bit:
                break
    return bites


def _jobs_of(scene: Scene) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if scene.load.mark in cmdline(process)]
