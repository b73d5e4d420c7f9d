"""What people do: submit, ask for the end, pause a queue and resume it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import note
from hypothesis import strategies as st

from tests.storage.conftest import new_job
from tests.storage.machine.lives import Draw, Lives, one_of
from tests.storage.machine.promise import Life
from tiltyard.wire import QueuePatch
from tiltyard.wire.jobs import Condition, Dependency, Failure
from tiltyard_orchestrator.storage.jobs.cancel import cancel
from tiltyard_orchestrator.storage.jobs.submit import KeyReused, submit
from tiltyard_orchestrator.storage.queues import patch_queue

FOREVER = 100_000.0
"""Seconds: longer than any test runs."""
DAY = timedelta(days=1)
QUEUES = st.sampled_from(["cpu", "cpu", "cpu", "pytorch"])
RETRIED = st.sampled_from(
    [*[("worker_lost", "start_failed")] * 2, ("worker_lost", "start_failed", "exit_code"), ()]
)
CONDITIONS = st.sampled_from(Condition)
STARTS = st.sampled_from([None, None, "yesterday", "tomorrow"])
KEYS = st.sampled_from([None, None, "one", "other"])


class Callers(Lives):
    """People."""

    def submit(self, draw: Draw) -> None:
        self._submit(
            queue=draw(QUEUES),
            priority=draw(st.integers(0, 9)),
            max_attempts=draw(st.sampled_from([2, 2, 3, 1])),
            retry_on=draw(RETRIED),
            hurried=draw(st.booleans()),
            key=draw(KEYS),
            request=draw(st.sampled_from(["this", "this", "that"])),
        )

    def submit_one_that_waits(self, draw: Draw) -> None:
        others = [self.some_job(draw) for _ in range(draw(st.integers(0, 2)))]
        after = {other.id: draw(CONDITIONS) for other in others if other is not None}
        self._submit(after=after, starts=draw(STARTS), priority=draw(st.integers(4, 6)))

    def _submit(
        self,
        *,
        queue: str = "cpu",
        priority: int = 5,
        max_attempts: int = 2,
        retry_on: tuple[str, ...] = ("worker_lost", "start_failed"),
        hurried: bool = False,
        key: str | None = None,
        request: str = "this",
        after: dict[str, Condition] | None = None,
        starts: str | None = None,
        digest: str | None = None,
    ) -> None:
        after = after or {}
        new = new_job(
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            retry_on=tuple(Failure(name) for name in retry_on),
            queue_timeout=FOREVER if hurried else None,
            idempotency_key=key,
            request_digest=request if key else None,
            digest=digest,
            after=[Dependency(job=job, condition=condition) for job, condition in after.items()],
            start_at=None if starts is None else datetime.now(UTC) + (DAY if starts == "tomorrow" else -DAY),
        )
        answer = self.yard.call(submit, new)
        if key in self.promise.keys:
            self._is_known(answer, *self.promise.keys[key], request=request)
            return
        assert not isinstance(answer, KeyReused)
        job, is_new = answer
        assert is_new
        if key is not None:
            self.promise.keys[key] = (job.id, request)
        life = Life(
            id=job.id,
            name=f"job {len(self.promise.jobs) + 1}",
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            retry_on=set(retry_on),
            after={other: condition.value for other, condition in after.items()},
            early=starts == "tomorrow",
            hurried=hurried,
            state="waiting" if after or starts else "queued",
            digest=digest,
        )
        self.promise.submit(life)
        others = {self.life(other).name: condition.value for other, condition in after.items()}
        note(f"{life.name} is {life.state}: after {others}, {starts=}, {retry_on=}, {hurried=}")
        assert (job.state, job.seq) == (life.state, len(life.history) - 1)

    def _is_known(self, answer: Any, job: str, before: str, *, request: str) -> None:
        if request != before:
            assert answer == KeyReused(job=job)
            return
        same, is_new = answer
        assert (same.id, same.state, is_new) == (job, self.life(job).state, False)

    def cancel(self, draw: Draw) -> None:
        life = self.some_job(draw)
        if life is None:
            return
        note(f"the end of {life.name} is asked for")
        if not life.ended and not life.asked:
            self.touch(life.id)
        answer = self.yard.call(cancel, life.id)
        self.promise.cancel(life)
        assert answer is not None
        assert (answer.state, answer.cancel_requested) == (life.state, life.asked)

    def pause_or_resume(self, draw: Draw) -> None:
        queue = one_of([*sorted(self.promise.paused) * 4, "cpu", "pytorch"], draw)
        pauses = queue not in self.promise.paused
        note(f"{queue} is {'paused' if pauses else 'resumed'}")
        self.yard.call(patch_queue, queue, QueuePatch(paused=pauses), lost_after=60)
        if pauses:
            self.promise.paused.add(queue)
        else:
            self.touch(*self.promise.resume(queue))
