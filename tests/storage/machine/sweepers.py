"""What people do with sweeps, and what keepers then let go; and what holds of every sweep after each step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from tests.storage.conftest import new_job
from tests.storage.machine.callers import CONDITIONS, FOREVER, RETRIED, Callers
from tests.storage.machine.keepers import Keepers
from tests.storage.machine.lives import Draw, one_of
from tests.storage.machine.promise import FINAL, Life
from tests.storage.machine.sweeping import Choice, Swept, SweptPromise
from tests.storage.machine.yard import Row, Yard
from tiltyard.wire.jobs import Dependency, Failure
from tiltyard.wire.sweeps import Sweep
from tiltyard_orchestrator.storage.jobs.events import standings
from tiltyard_orchestrator.storage.sweeps import let_go, retry, steer
from tiltyard_orchestrator.storage.sweeps.read import list_sweeps
from tiltyard_orchestrator.storage.sweeps.submit import MadeSweep, NewCell, NewSweep, submit_sweep

DIGESTS = st.sampled_from([f"digest {number}" for number in range(5)])
LIMITS = st.sampled_from([1, 1, 2, 3, None])
SUBMISSION = {"archive": "a" * 64, "entry_point": "main", "queue": "cpu", "parameters": {}}


class Sweepers(Callers, Keepers):
    """People with sweeps."""

    promise: SweptPromise
    verbs = ("settle", "end_overdue", "expire", "let_go", "dispatch")

    def __init__(self, yard: Yard) -> None:
        super().__init__(yard)
        self.promise = SweptPromise()

    def submit_one_that_may_be_known(self, draw: Draw) -> None:
        self._submit(digest=draw(DIGESTS))

    def submit_sweep(self, draw: Draw) -> None:
        after = {}
        if draw(st.integers(0, 3)) == 0 and (other := self.some_job(draw)) is not None:
            after = {other.id: draw(CONDITIONS).value}
        self._submit_sweep(
            digests=draw(st.lists(DIGESTS, min_size=1, max_size=4)),
            max_parallel=draw(LIMITS),
            like={
                "priority": draw(st.integers(4, 6)),
                "max_attempts": draw(st.sampled_from([1, 2])),
                "retry_on": draw(RETRIED),
                "hurried": draw(st.booleans()),
                "after": after,
            },
        )

    def _submit_sweep(
        self, *, digests: Sequence[str], max_parallel: int | None, like: dict[str, Any]
    ) -> None:
        made = self.yard.call(submit_sweep, _new_sweep(digests, max_parallel, like))
        assert isinstance(made, MadeSweep)
        sweep = Swept(id=made.id, name=f"sweep {len(self.promise.sweeps) + 1}", max_parallel=max_parallel)
        state = "waiting" if self.promise.waits(like["after"]) else "queued"
        room = len(digests) if max_parallel is None else max_parallel
        born, new, mine = self.promise.begin(), iter(made.jobs), dict[str, str]()
        known = {digest: self.promise.known(digest) for digest in digests}
        for digest in digests:
            job = known[digest] or mine.get(digest)
            if job is None:
                job = mine[digest] = next(new)
                name = f"job {len(self.promise.jobs) + 1}"
                life = Life(
                    id=job, name=name, queue="cpu", early=False, state=state, digest=digest, sweep=sweep.id,
                    **like | {"retry_on": set(like["retry_on"])},
                )  # fmt: skip
                self.promise.submit_cell(life, born=born, room=room > 0)
                room -= state == "queued"
            sweep.cells.append(Choice(digest=digest, job=job, reused=known[digest] is not None))
        assert next(new, None) is None, "it made no job that no cell has"
        self.promise.sweeps[sweep.id] = sweep
        names = [self.life(cell.job).name for cell in sweep.cells]
        note(f"{sweep.name} of {digests}, {max_parallel=}, {like}: {names}, {state} where new")

    def pause_or_resume_sweep(self, draw: Draw) -> None:
        if (sweep := self._some_sweep(draw)) is None:
            return
        note(f"{sweep.name} is {'resumed' if sweep.paused else 'paused'}")
        if sweep.paused:
            sweep.paused = False
            assert self.yard.call(steer.resume_sweep, sweep.id)
        else:
            self.touch(*self.promise.pause_sweep(sweep))
            assert self.yard.call(steer.pause_sweep, sweep.id)

    def limit_sweep(self, draw: Draw) -> None:
        if (sweep := self._some_sweep(draw)) is None:
            return
        limit = draw(LIMITS)
        note(f"of {sweep.name} {limit} may go at a time")
        self.touch(*self.promise.limit_sweep(sweep, limit))
        assert self.yard.call(steer.change_sweep, sweep.id, {"max_parallel": limit})

    def cancel_sweep(self, draw: Draw) -> None:
        shared = self._some_sweep(draw, liked=lambda life, one: not life.ended and life.sweep != one.id)
        if (sweep := shared) is None:
            return
        note(f"the end of {sweep.name} is asked for")
        promised = self.promise.cancel_sweep(sweep)
        self.touch(*promised)
        assert self.yard.call(steer.note_cancelled, sweep.id)
        jobs = self.yard.call(steer.jobs_to_cancel, sweep.id)
        met = [one for job in jobs for one in self.yard.call(steer.cancel_cells, sweep.id, [job])[0]]
        assert sorted(met) == sorted(promised)

    def retry_sweep(self, draw: Draw) -> None:
        lost = self._some_sweep(draw, liked=lambda life, _: life.state in {"failed", "cancelled"})
        if (sweep := lost) is None:
            return
        cancelled = draw(st.booleans())
        done = self.yard.call(retry.retry_sweep, sweep.id, cancelled=cancelled)
        assert done is not None
        note(f"of {sweep.name} is run again what failed, {cancelled=}: {len(done.jobs)}")
        found = self.promise.lost(sweep, cancelled=cancelled)
        again = [one for one in found if not one.in_vain]
        assert done.passed_over == len(found) - len(again)
        known = {one.cell.digest: self.promise.known(one.cell.digest) for one in again}
        born, new, mine = self.promise.begin(), iter(done.jobs), dict[str, str]()
        room = self._room(sweep)
        for one in again:
            cell, parent = one.cell, self.life(one.cell.job)
            job = known[cell.digest] or mine.get(cell.digest)
            cell.reused = job is not None
            if job is None:
                job = mine[cell.digest] = next(new)
                new_life = self._again(parent, job, sweep, one.after)
                self.promise.submit_cell(new_life, born=born, room=room > 0)
                room -= new_life.state == "queued"
            cell.job = job
        assert next(new, None) is None
        assert done.linked == len(again) - len(done.jobs)
        sweep.cancelled = sweep.cancelled and not again

    def _room(self, sweep: Swept) -> int:
        if sweep.paused:
            return 0
        return FULL if sweep.max_parallel is None else sweep.max_parallel - self.promise.under_way(sweep)

    def _again(self, parent: Life, job: str, sweep: Swept, after: dict[str, str]) -> Life:
        return Life(
            id=job,
            name=f"job {len(self.promise.jobs) + 1}, after {parent.name},",
            queue=parent.queue,
            priority=parent.priority,
            max_attempts=parent.max_attempts,
            retry_on=parent.retry_on,
            after=after,
            early=False,
            hurried=parent.hurried,
            state="waiting" if self.promise.waits(after) else "queued",
            digest=parent.digest,
            sweep=sweep.id,
            parent=parent.id,
        )

    def _let_go(self) -> None:
        promised = self.promise.let_go()
        for sweep in self.yard.call(let_go.sweeps_with_held):
            gone = self.yard.call(let_go.let_go, sweep)
            assert sorted(gone) == sorted(promised.pop(sweep, []))
            self.touch(*gone)
        assert promised == {}, "no more is held than must be"

    def _some_sweep(
        self, draw: Draw, *, liked: Callable[[Life, Swept], bool] = lambda life, _: not life.ended
    ) -> Swept | None:
        """A sweep, if there is one; more often one that has a cell of which there is more to see."""
        sweeps = list(self.promise.sweeps.values())
        better = [one for one in sweeps if any(liked(self.life(cell.job), one) for cell in one.cells)]
        return one_of(better * 3 + sweeps, draw) if sweeps else None

    def look_further(self, rows: Mapping[str, Row]) -> None:
        cells = self.yard.look_at_cells()
        assert cells == {
            sweep.id: [(cell.digest, cell.job, cell.reused) for cell in sweep.cells]
            for sweep in self.promise.sweeps.values()
        }
        for told in self.yard.call(_sweeps):
            sweep = self.promise.sweeps[told.id]
            promised = self.promise.told(sweep)
            assert told.model_dump(include=set(promised)) == promised
            self._is_sound(sweep, rows)

    def _is_sound(self, sweep: Swept, rows: Mapping[str, Row]) -> None:
        """What holds of every sweep whatever happened, from the rows alone."""
        own = [row for row in rows.values() if row["sweep_id"] == sweep.id]
        gone = [row for row in own if row["state"] == "queued" and not row["held"]]
        running = [row for row in own if row["state"] == "running"]
        if gone:
            assert not sweep.paused, "a paused sweep lets nothing go"
            limit = sweep.max_parallel
            assert limit is None or len(gone) + len(running) <= limit, "never more than it may"
        count = [row["digest"] for row in own if row["state"] not in FINAL and not row["cancel_requested"]]
        assert len(count) == len(set(count)), "one cell has one job that counts"
        if sweep.cancelled:
            wanted = {
                cell.job for one in self.promise.sweeps.values() if not one.cancelled for cell in one.cells
            }
            left = [row for row in own if row["state"] not in FINAL and row["id"] not in wanted]
            assert all(row["cancel_requested"] for row in left), "a cancelled sweep ends"

    def follow_sweep(self, draw: Draw) -> None:
        """Who follows it sees all that its jobs have to tell, also of those that were replaced."""
        if (sweep := self._some_sweep(draw)) is None:
            return
        jobs = {life.id for life in self.promise.own(sweep)} | {cell.job for cell in sweep.cells}
        stand = self.yard.call(standings, sweep=sweep.id)
        assert {job: one.seq for job, one in stand.items()} == {
            job: len(self.life(job).history) - 1 for job in jobs
        }


FULL = 1_000_000


def _new_sweep(digests: Sequence[str], max_parallel: int | None, like: dict[str, Any]) -> NewSweep:
    job = new_job(
        priority=like["priority"],
        max_attempts=like["max_attempts"],
        retry_on=tuple(Failure(name) for name in like["retry_on"]),
        queue_timeout=FOREVER if like["hurried"] else None,
        after=[Dependency(job=job, condition=condition) for job, condition in like["after"].items()],
    )
    cells = [
        NewCell(values={"n": number}, parameters={"n": digest}, command=f"run {digest}", digest=digest)
        for number, digest in enumerate(digests)
    ]
    axes = [{"parameter": "n", "values": list(range(len(digests)))}]
    return NewSweep(
        job=job,
        cells=cells,
        axes=axes,
        mode="grid",
        seed=None,
        submission=SUBMISSION,
        max_parallel=max_parallel,
    )


async def _sweeps(session: AsyncSession) -> list[Sweep]:
    return (await list_sweeps(session, experiment=None, cursor=None, limit=1_000)).items
