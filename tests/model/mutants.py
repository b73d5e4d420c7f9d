"""Protocols that are wrong in one place each, so that the explorer can be seen to find it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from typing_extensions import override

from tests.model import properties
from tests.model.explore import ENDS, LEGAL
from tests.model.protocol import Job, Protocol
from tests.model.world import World
from tiltyard.wire.jobs import FINAL_STATES, Condition, JobState
from tiltyard_orchestrator.domain.lifecycle import RULES, Call, Rule, Standing

ALL = frozenset(JobState)


def rules_with(call: Call, **changes: Any) -> Mapping[Call, Rule]:
    """The table of moves with another line for one call."""
    return MappingProxyType({**RULES, call: replace(RULES[call], **changes)})


class FinishWithoutEpoch(Protocol):
    @override
    def finish(self, job: Job, epoch: int, result: str) -> Job:
        return super().finish(job, job.epoch, result)


class ReportWithoutEpoch(Protocol):
    @override
    def report(self, job: Job, epoch: int) -> Job:
        return super().report(job, job.epoch)


class ReleaseWithoutEpoch(Protocol):
    @override
    def release(self, job: Job, epoch: int) -> Job:
        return super().release(job, job.epoch)


class FinishFromAnyState(Protocol):
    rules = rules_with(Call.finish, sources=ALL)


class NoExpiry(Protocol):
    @override
    def late(self, job: Job) -> bool:
        return False


class RungForOnce(Protocol):
    @override
    def rings_again(self, job: Job) -> bool:
        return False


class ClaimFromAnyState(Protocol):
    rules = rules_with(Call.claim, sources=ALL)


class ExpiryKeepsEpoch(Protocol):
    rules = rules_with(Call.expire, new_epoch=False)


class ClaimKeepsEpoch(Protocol):
    """Then only expiries and releases fence, and a failed start that is tried again does not."""

    rules = rules_with(Call.claim, new_epoch=False)


class SettlesWhateverCame(Protocol):
    condition = Condition.succeeded

    @override
    def dead(self, first: Job) -> str | None:
        return None


class SettlesAtOnce(Protocol):
    condition = Condition.any

    @override
    def over(self, first: Job) -> bool:
        return True


class TriesForEver(Protocol):
    @override
    def standing(self, job: Job) -> Standing:
        return replace(super().standing(job), max_attempts=99)


class ForgetsCancel(Protocol):
    @override
    def standing(self, job: Job) -> Standing:
        return replace(super().standing(job), cancel_requested=False)


class CancelTakesRunningJobs(Protocol):
    rules = rules_with(Call.cancel, sources=ALL - FINAL_STATES)


class ExpiryNeverCancels(Protocol):
    rules = rules_with(Call.expire, targets=frozenset({JobState.queued, JobState.failed}))


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A wrong protocol, and the promise that it breaks first."""

    protocol: Protocol
    breaks: str
    world: Mapping[str, Any] = field(default_factory=dict)

    def explored(self) -> World:
        """The world in which it is explored."""
        return World(protocol=self.protocol, **self.world)


TWO_JOBS = {"jobs": 2, "bells": 1, "stops": 0}
MUTANTS = {
    "a finish that asks for no epoch": Mutant(protocol=FinishWithoutEpoch(), breaks=properties.RECORDED),
    "a report that asks for no epoch": Mutant(protocol=ReportWithoutEpoch(), breaks=properties.STALE),
    "a release that asks for no epoch": Mutant(protocol=ReleaseWithoutEpoch(), breaks=properties.STALE),
    "a finish that asks for no state": Mutant(protocol=FinishFromAnyState(), breaks=properties.FINAL),
    "leases that are never taken away": Mutant(protocol=NoExpiry(), breaks=ENDS),
    "bells that are rung once": Mutant(protocol=RungForOnce(), breaks=ENDS),
    "a claim of jobs that are not queued": Mutant(protocol=ClaimFromAnyState(), breaks=properties.FINAL),
    "an expiry that keeps the epoch": Mutant(protocol=ExpiryKeepsEpoch(), breaks=properties.FENCED),
    "a claim that keeps the epoch": Mutant(protocol=ClaimKeepsEpoch(), breaks=properties.ONE_HOLDER),
    "a dependency of which any end is enough": Mutant(
        protocol=SettlesWhateverCame(), breaks=properties.CONDITION, world=TWO_JOBS
    ),
    "a dependency that is not waited for": Mutant(
        protocol=SettlesAtOnce(), breaks=properties.CONDITION, world=TWO_JOBS
    ),
    "a retry that counts no attempts": Mutant(protocol=TriesForEver(), breaks=properties.ATTEMPTS),
    "a retry that forgets that the end was asked for": Mutant(
        protocol=ForgetsCancel(), breaks=properties.ASKED
    ),
    "a cancel that ends running jobs": Mutant(protocol=CancelTakesRunningJobs(), breaks=properties.TAKEN),
    "a table in which an expiry does not cancel": Mutant(protocol=ExpiryNeverCancels(), breaks=LEGAL),
}
