"""Every kind of fault, one small module per family.

A fault is a class with a `name`, `needs_rabbitmq`, and `inject(scene, rng) -> Bite`; it is added to ALL. What it says in
its Bite is what the verdict holds against the testbed: leases may run out for the jobs in `lost_leases` and for no others.
"""

from tests.faults.injections.answers import ClaimUnanswered, FinishUnanswered
from tests.faults.injections.bells import BrokerKilled, MemoryAlarm, QueueDeleted, QueuePurged
from tests.faults.injections.database import CommitsSlow, DatabaseAway, DatabaseRestarted
from tests.faults.injections.disks import StoreFull, StoreReadOnly, WorkerDiskFull
from tests.faults.injections.gateways import (
    GatewayKilled,
    GatewayKilledBeforeAnswer,
    GatewayKilledBeforePublish,
    GatewaysRestarted,
    KeepersPaused,
)
from tests.faults.injections.patience import ConsumerTimeout
from tests.faults.injections.surroundings import ClockWrong, MLflowAway
from tests.faults.injections.workers import (
    AnswersLost,
    JobKilled,
    WorkerCutOff,
    WorkerFrozen,
    WorkerKilled,
    WorkersRestarted,
)
from tests.faults.scene import Fault

CHEAP: tuple[Fault, ...] = (
    WorkerKilled(),
    JobKilled(),
    GatewayKilled(),
    GatewayKilledBeforeAnswer(),
    GatewayKilledBeforePublish(),
    QueuePurged(),
    DatabaseRestarted(),
    WorkerFrozen(),
    WorkerCutOff(),
    AnswersLost(),
    FinishUnanswered(),
    ClaimUnanswered(),
    CommitsSlow(),
)
"""Those that take seconds: each of them is part of every run of the tests."""
ALL: tuple[Fault, ...] = (
    *CHEAP,
    WorkerDiskFull(),
    StoreFull(),
    StoreReadOnly(),
    ClockWrong(),
    MLflowAway(),
    ConsumerTimeout(),
    BrokerKilled(),
    QueueDeleted(),
    MemoryAlarm(),
    DatabaseAway(),
    KeepersPaused(),
    GatewaysRestarted(),
    WorkersRestarted(),
)
