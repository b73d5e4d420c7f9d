"""The mutants themselves. Each takes out the whole of one lock, wherever that lock has more than one bolt."""

from tests.faults.injections.answers import ClaimUnanswered, FinishUnanswered
from tests.faults.injections.bells import QueuePurged
from tests.faults.injections.database import CommitsSlow, DatabaseRestarted
from tests.faults.injections.gateways import KeepersPaused
from tests.faults.injections.surroundings import ClockWrong
from tests.faults.injections.workers import WorkerCutOff, WorkerKilled
from tests.faults.mutants.mutant import Change, Mutant
from tests.faults.mutants.serial import ADDED_FOLLOWER, ADDED_SERIAL

_STORAGE = "orchestrator/tiltyard_orchestrator/storage"
_FENCES = "workers/tiltyard_workers/fences"
_FIRST = f"{_STORAGE}/migrations/versions/0001_first_tables.py"

NO_EPOCH_CHECK = Mutant(
    name="no epoch check",
    says="an attempt that lost its job goes on writing to it",
    changes=(
        Change(
            path=f"{_STORAGE}/jobs/moves.py",
            old="col(JobRow.id) == job, col(JobRow.epoch) == epoch, col(JobRow.state) == JobState.running",
            new="col(JobRow.id) == job, col(JobRow.state) == JobState.running",
        ),
        # The token is another bolt of the same lock: that of the newest attempt alone is taken.
        Change(
            path=f"{_STORAGE}/access/tokens.py",
            old="    if epoch < row.epoch:\n",
            new='    if epoch < row.epoch:\n        return "holds"\n    if epoch < row.epoch:\n',
        ),
    ),
    provoked_by=(WorkerCutOff(),),
    caught_as=frozenset({"wrong"}),
)
NO_STATE_CHECK = Mutant(
    name="no state check",
    says="a job that has ended takes another end",
    # Three bolts: the statement's predicate, the table of the life of a job, and the trigger. While one of them is left,
    # a second end is refused: by the trigger with a 500 that is asked again for ever, and no promise about jobs is broken.
    changes=(
        Change(
            path=f"{_STORAGE}/jobs/moves.py",
            old="col(JobRow.epoch) == epoch, col(JobRow.state) == JobState.running",
            new="col(JobRow.epoch) == epoch",
        ),
        Change(
            path=f"{_STORAGE}/jobs/moves.py",
            old="if JobState(row.state) not in rule.sources or outcome.state not in rule.targets:",
            new="if outcome.state not in rule.targets:",
        ),
        Change(path=_FIRST, old="        FINAL_IS_FINAL_TRIGGER,\n", new=""),
    ),
    provoked_by=(FinishUnanswered(),),
    caught_as=frozenset({"double"}),
)
NO_EXPIRY = Mutant(
    name="no expiry",
    says="no lease is ever taken away",
    changes=(
        Change(
            path="orchestrator/tiltyard_orchestrator/keeper/loops.py",
            old="moved = await expire(session, backoff=self._timing.backoff)",
            new="moved: list[str] = []",
        ),
    ),
    provoked_by=(WorkerKilled(),),
    caught_as=frozenset({"stuck"}),
)
NO_RESEND = Mutant(
    name="no re-send",
    says="the bell of a job is rung once",
    changes=(
        Change(
            path=f"{_STORAGE}/jobs/dispatch.py",
            old=".values(dispatch_at=func.now() + seconds(resend_seconds))",
            new=".values(dispatch_at=func.now() + seconds(864000))",
        ),
    ),
    provoked_by=(QueuePurged(),),
    caught_as=frozenset({"stuck"}),
)
SERIAL_CURSOR = Mutant(
    name="serial cursor",
    says="a follower of many jobs reads events by one serial number, which is given before the commit",
    changes=(ADDED_SERIAL, ADDED_FOLLOWER),
    provoked_by=(CommitsSlow(),),
    caught_as=frozenset({"gaps"}),
)
KILLPG = Mutant(
    name="killpg",
    says="a job's process group is killed, in place of all that descends from it",
    changes=(
        Change(path=f"{_FENCES}/fence.py", old="KINDS = (BUBBLEWRAP, ", new="KINDS = (SUBREAPER,)\n_NOT = ("),
        Change(
            path=f"{_FENCES}/warden.py",
            old="    if os.getpid() != 1:\n        prctl(PR_SET_CHILD_SUBREAPER, 1)\n",
            new="",
        ),
        Change(
            path=f"{_FENCES}/warden.py",
            old="for process in {*descendants(os.getpid(), *seen), *seen}:",
            new="for process in ():",
        ),
        Change(path=f"{_FENCES}/strays.py", old="prctl(PR_SET_CHILD_SUBREAPER, 1)", new="return"),
    ),
    provoked_by=(),
    caught_as=frozenset({"leftovers"}),
)
UNGUARDED_CLAIM = Mutant(
    name="unguarded claim",
    says="a job that runs is claimed once more",
    changes=(
        Change(
            path=f"{_STORAGE}/jobs/claim.py",
            old="col(JobRow.queue) == queue, col(JobRow.state) == JobState.queued, ~col(JobRow.held))",
            new='col(JobRow.queue) == queue, col(JobRow.state).in_(["queued", "running"]))',
        ),
        Change(path=f"{_STORAGE}/jobs/claim.py", old="col(JobRow.ready_at) <= func.now(), ", new=""),
        Change(
            path="orchestrator/tiltyard_orchestrator/domain/lifecycle.py",
            old="Call.claim: Rule(sources=frozenset({_S.queued})",
            new="Call.claim: Rule(sources=frozenset({_S.queued, _S.running})",
        ),
    ),
    provoked_by=(),
    caught_as=frozenset({"wrong", "overlaps"}),
)
NO_PATIENCE = Mutant(
    name="no patience",
    says="a keeper that was frozen itself takes leases away as soon as it goes on",
    changes=(
        Change(
            path="orchestrator/tiltyard_orchestrator/keeper/loops.py",
            old="if not self._patience.look(asyncio.get_running_loop().time(), healthy=healthy):",
            new="if not healthy:",
        ),
    ),
    provoked_by=(KeepersPaused(),),
    caught_as=frozenset({"wrong"}),
)
EARLY_ACKNOWLEDGEMENT = Mutant(
    name="early acknowledgement",
    says="a report counts as delivered when it is sent, and not when it is written",
    changes=(
        Change(
            path="workers/tiltyard_workers/supervisor/outbox.py",
            old="            try:\n                answer = self._gateway.report(self._claim, news)\n            except Away:\n",
            new="            try:\n                answer = self._gateway.report(self._claim, news)\n            except Away:\n"
            "                self._acknowledge(batch, news, ReportAnswer(cancel=False, lease_seconds=0))\n",
        ),
    ),
    provoked_by=(DatabaseRestarted(),),
    caught_as=frozenset({"wrong"}),
)
FORGETFUL_CLAIM = Mutant(
    name="forgetful claim",
    says="a claim that is asked again, because its answer was lost, gets another job",
    changes=(
        Change(
            path=f"{_STORAGE}/jobs/claim.py",
            old="if held := await _held(session, worker=worker, token_sha256=token_sha256):",
            new="if False and (held := await _held(session, worker=worker, token_sha256=token_sha256)):",
        ),
    ),
    provoked_by=(ClaimUnanswered(),),
    caught_as=frozenset({"wrong", "stuck"}),
)
TRUSTED_CLOCK = Mutant(
    name="trusted clock",
    says="an event is dated by its worker's clock alone",
    changes=(
        Change(
            path=f"{_STORAGE}/jobs/moves.py",
            old="now if at is None else min(max(at, earliest), now)",
            new="now if at is None else at",
        ),
    ),
    provoked_by=(ClockWrong(),),
    caught_as=frozenset({"wrong"}),
)
ALL = (
    KILLPG,
    NO_STATE_CHECK,
    NO_EPOCH_CHECK,
    NO_EXPIRY,
    NO_RESEND,
    SERIAL_CURSOR,
    UNGUARDED_CLAIM,
    NO_PATIENCE,
    EARLY_ACKNOWLEDGEMENT,
    FORGETFUL_CLAIM,
    TRUSTED_CLOCK,
)
QUICK = (NO_STATE_CHECK,)
"""Part of every run of the tests."""
