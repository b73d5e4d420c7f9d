"""What workers do: each call in time, too late, again, and by a worker whose job somebody else has by now."""

from datetime import UTC, datetime

import pytest
from hypothesis import note
from hypothesis import strategies as st

from tests.storage.machine.callers import FOREVER, QUEUES
from tests.storage.machine.lives import Attempt, Draw, Lives
from tiltyard.wire import EventKind, Finish, FinishAnswer, JobState, Reason, Report, ReportAnswer, Reported
from tiltyard_orchestrator.domain.backoff import Backoff
from tiltyard_orchestrator.storage.jobs.claim import Claimed, NothingToClaim, claim
from tiltyard_orchestrator.storage.jobs.finish import finish
from tiltyard_orchestrator.storage.jobs.release import release
from tiltyard_orchestrator.storage.jobs.report import ReportGap, report

BACKOFF = Backoff(first=FOREVER, longest=FOREVER)
End = tuple[JobState, Reason | None]
ENDS: st.SearchStrategy[End] = st.sampled_from(
    [
        (JobState.succeeded, None),
        (JobState.cancelled, Reason.cancel_requested),
        (JobState.failed, Reason.exit_code),
        (JobState.failed, Reason.start_failed),
        (JobState.failed, Reason.start_failed),
    ]
)
NEAR = st.sampled_from([0, 0, 0, -1, -2, 1])
"""From where an attempt's events are sent, seen from the first that was not delivered: 1 leaves a gap."""
FEW = st.integers(0, 3)


class Workers(Lives):
    """Supervisors."""

    def claim(self, draw: Draw) -> None:
        self._tokens += 1
        worker = draw(st.sampled_from(["w1", "w2"]))
        self._claim(queue=draw(QUEUES), worker=worker, token=f"token {self._tokens}")

    def claim_again(self, draw: Draw) -> None:
        if attempt := self.some_attempt(draw):
            self._claim(queue=attempt.queue, worker=attempt.worker, token=attempt.token)

    def _claim(self, *, queue: str, worker: str, token: str) -> None:
        answer = self.yard.call(claim, worker=worker, queue=queue, token_sha256=token, lease_seconds=FOREVER)
        life = self.promise.held_with(token)
        if life is None and (life := self.promise.next_of(queue)) is not None:
            self.touch(life.id)
            self.promise.claim(life, token)
        if life is None:
            assert isinstance(answer, NothingToClaim)
            return
        note(f"{worker} claims {life.name}, epoch {life.epoch}, with {token}")
        assert isinstance(answer, Claimed), answer
        assert (answer.job, answer.epoch, answer.attempt) == (life.id, life.epoch, life.attempt)
        attempt = Attempt(job=answer.job, epoch=answer.epoch, token=token, worker=worker, queue=queue)
        if attempt not in self.attempts:
            self.attempts.append(attempt)

    def report(self, draw: Draw) -> None:
        if not (attempt := self.some_attempt(draw)):
            return
        life = self.life(attempt.job)
        first = max(0, life.reported + draw(NEAR))
        lines = attempt.lines(first, draw(FEW))
        note(f"epoch {attempt.epoch} of {life.name} reports {lines}")
        if not life.holds(attempt.epoch):
            assert self._report(attempt, first, lines) is None
        elif first > life.reported:
            with pytest.raises(ReportGap):
                self._report(attempt, first, lines)
        else:
            self.touch(attempt.job)
            answer = self._report(attempt, first, lines)
            life.write(first, lines)
            life.late = False
            assert answer is not None
            assert answer.cancel == life.asked

    def _report(self, attempt: Attempt, first: int, lines: list[str]) -> ReportAnswer | None:
        news = Report(first=first, events=events_of(lines))
        return self.yard.call(report, job=attempt.job, epoch=attempt.epoch, news=news, lease_seconds=FOREVER)

    def finish(self, draw: Draw) -> None:
        if not (attempt := self.some_attempt(draw)):
            return
        life = self.life(attempt.job)
        first = max(0, life.reported + draw(NEAR))
        lines = attempt.lines(first, draw(FEW))
        state, reason = draw(ENDS)
        note(f"epoch {attempt.epoch} of {life.name} has {state}, {reason}, and last {lines}")
        result = Finish(first=first, events=events_of(lines), state=state, reason=reason)
        holds = life.holds(attempt.epoch)
        if holds and first > life.reported:
            with pytest.raises(ReportGap):
                self._finish(attempt, result)
            return
        answer = self._finish(attempt, result)
        if holds:
            self.touch(attempt.job)
            life.write(first, lines)
            self.promise.finish(life, state, reason)
        assert (answer and answer.state) == self.promise.answer_again(life, attempt.epoch)

    def _finish(self, attempt: Attempt, result: Finish) -> FinishAnswer | None:
        return self.yard.call(finish, job=attempt.job, epoch=attempt.epoch, result=result, backoff=BACKOFF)

    def release(self, draw: Draw) -> None:
        if not (attempt := self.some_attempt(draw)):
            return
        life = self.life(attempt.job)
        note(f"epoch {attempt.epoch} of {life.name} is handed back")
        answer = self.yard.call(release, job=attempt.job, epoch=attempt.epoch)
        if not life.holds(attempt.epoch):
            assert answer is None
            return
        self.touch(attempt.job)
        self.promise.release(life)
        assert answer == life.state


def events_of(lines: list[str]) -> list[Reported]:
    return [Reported(at=datetime.now(UTC), kind=EventKind.log, data={"text": line}) for line in lines]
