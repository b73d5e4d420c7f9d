"""What was promised of sweeps: which job each cell has, and which jobs may go."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.storage.machine.promise import FINAL, Life, Promise


@dataclass(kw_only=True)
class Choice:
    """A cell as it should be."""

    digest: str
    job: str
    reused: bool


@dataclass(kw_only=True)
class Swept:
    """A sweep as it should be."""

    id: str
    name: str
    max_parallel: int | None
    paused: bool = False
    cancelled: bool = False
    cells: list[Choice] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A cell that a retry looks at."""

    cell: Choice
    after: dict[str, str]
    """What its next job is to run after."""
    in_vain: bool


class SweptPromise(Promise):
    """All jobs as they should be, and all sweeps."""

    def __init__(self) -> None:
        super().__init__()
        self.sweeps: dict[str, Swept] = {}

    def own(self, sweep: Swept) -> list[Life]:
        """The jobs that a sweep made, the oldest first."""
        return [life for life in self.jobs.values() if life.sweep == sweep.id]

    def under_way(self, sweep: Swept) -> int:
        running = sum(life.state == "running" for life in self.own(sweep))
        return running + len(self.line(sweep, held=False))

    def line(self, sweep: Swept, *, held: bool) -> list[Life]:
        """Its jobs in the queue, the first in line first."""
        queued = [life for life in self.own(sweep) if life.state == "queued" and life.held is held]
        return sorted(queued, key=lambda life: life.turn)

    def known(self, digest: str) -> str | None:
        """The job that a cell of this digest is linked to."""
        order = {"succeeded": 0, "running": 1, "queued": 2, "waiting": 2}
        fit = [life for life in self.jobs.values() if life.digest == digest and life.state in order]
        fit = [life for life in fit if life.ended or not life.asked]
        first = min(fit, key=lambda life: (order[life.state], life.born, life.id), default=None)
        return None if first is None else first.id

    def waits(self, after: dict[str, str]) -> bool:
        """Whether a cell's job waits, where those stand that it is to run after."""
        return any(
            not self.jobs[job].ended or wanted not in {"any", self.jobs[job].state}
            for job, wanted in after.items()
        )

    def submit_cell(self, life: Life, *, born: int, room: bool) -> None:
        self.jobs[life.id] = life
        life.born = born
        if life.state == "queued":
            self.enter(life)
            life.held = not room
        else:
            life.go("waiting")

    def begin(self) -> int:
        """A moment of its own for what is made together."""
        self._moments += 1
        return self._moments

    def hold_back(self, sweep: Swept, *, keep: int) -> set[str]:
        rest = self.line(sweep, held=False)[keep:]
        for life in rest:
            life.held, life.overdue = True, False
        return {life.id for life in rest}

    def pause_sweep(self, sweep: Swept) -> set[str]:
        sweep.paused = True
        return self.hold_back(sweep, keep=0)

    def limit_sweep(self, sweep: Swept, limit: int | None) -> set[str]:
        sweep.max_parallel = limit
        over = 0 if limit is None else max(0, self.under_way(sweep) - limit)
        return self.hold_back(sweep, keep=max(0, len(self.line(sweep, held=False)) - over)) if over else set()

    def let_go(self) -> dict[str, list[str]]:
        """The jobs that go now, by sweep."""
        gone: dict[str, list[str]] = {}
        for sweep in self.sweeps.values():
            line = [] if sweep.paused else self.line(sweep, held=True)
            if sweep.max_parallel is not None:
                line = line[: max(0, sweep.max_parallel - self.under_way(sweep))]
            for life in line:
                life.held, life.due = False, not life.pausing
            if line:
                gone[sweep.id] = [life.id for life in line]
        return gone

    def cancel_sweep(self, sweep: Swept) -> set[str]:
        """End what it made, and what it was the last to want; what another sweep wants goes on."""
        sweep.cancelled, sweep.paused = True, False
        wanted = {cell.job for one in self.sweeps.values() if not one.cancelled for cell in one.cells}
        given_up = {one.id for one in self.sweeps.values() if one.cancelled}
        linked = {cell.job for cell in sweep.cells}
        met = [
            life
            for life in self.jobs.values()
            if life.sweep == sweep.id or (life.id in linked and life.sweep in given_up)
        ]
        met = [life for life in met if not life.ended and life.id not in wanted]
        for life in met:
            self.cancel(life)
        return {life.id for life in met}

    def lost(self, sweep: Swept, *, cancelled: bool) -> list[Lost]:
        """The cells that a retry runs once more, and those that it passes over."""
        ended = [(cell, self.jobs[cell.job]) for cell in sweep.cells]
        states = {"failed", "cancelled"} if cancelled else {"failed"}
        return [
            self._lost(cell, life)
            for cell, life in ended
            if life.state in states or (life.state, life.reason) == ("cancelled", "dependency")
        ]

    def _lost(self, cell: Choice, life: Life) -> Lost:
        came = life.state == "failed" or life.entered is not None
        after = {} if came else {self._instead(job, wanted): wanted for job, wanted in life.after.items()}
        return Lost(cell=cell, after=after, in_vain=any(map(self._is_dead, after.items())))

    def _is_dead(self, one: tuple[str, str]) -> bool:
        return self.jobs[one[0]].ended and one[1] not in {"any", self.jobs[one[0]].state}

    def _instead(self, job: str, wanted: str) -> str:
        """The job that has taken a failed one's place, where there is one."""
        digest = self.jobs[job].digest
        if digest is None or wanted != "succeeded" or not self._is_dead((job, wanted)):
            return job
        return self.known(digest) or job

    def told(self, sweep: Swept) -> dict[str, Any]:
        """What a reader is told of it."""
        lives = [self.jobs[cell.job] for cell in sweep.cells]
        return {
            "id": sweep.id,
            "state": _state(sweep, lives),
            "cells": len(lives),
            "jobs": _counted(lives),
            "held": sum(life.held for life in lives),
            "reused": sum(cell.reused for cell in sweep.cells),
            "missing": 0,
            "progress": sum(life.ended for life in lives) / len(lives),
            "max_parallel": sweep.max_parallel,
        }


def _counted(lives: Sequence[Life]) -> dict[str, int]:
    states = [life.state for life in lives]
    return {state: states.count(state) for state in set(states)}


def _state(sweep: Swept, lives: Sequence[Life]) -> str:
    states = {life.state for life in lives}
    if states - FINAL:
        return "paused" if sweep.paused else "running"
    return next((state for state in ("failed", "cancelled") if state in states), "succeeded")
