"""The tables. PostgreSQL holds the truth; what must never happen is a constraint here or a trigger in the migrations.

Two facts carry the rest: the job row is its own outbox (`dispatch_at`), and every event of a job takes its `seq` under
the job's row lock, so that a reader who has seen `seq` n has seen everything before it.
"""

from tiltyard_orchestrator.storage.tables.access import BrowserSessionRow, SecretRow, TicketRow, TokenRow
from tiltyard_orchestrator.storage.tables.base import NAMING, NOW, Table
from tiltyard_orchestrator.storage.tables.experiments import ExperimentRow, MlflowRemovalRow
from tiltyard_orchestrator.storage.tables.fleet import EnvironmentRow, QueueRow, WorkerRow
from tiltyard_orchestrator.storage.tables.jobs import (
    ArchiveRow,
    ArtifactRow,
    EventRow,
    ExportedJobRow,
    JobRow,
)
from tiltyard_orchestrator.storage.tables.plugins import PluginRow, PluginVersionRow
from tiltyard_orchestrator.storage.tables.results import MetricRow, PostedMetricRow
from tiltyard_orchestrator.storage.tables.sweeps import CellRow, SweepRow

__all__ = [
    "NAMING", "NOW", "ArchiveRow", "ArtifactRow", "BrowserSessionRow", "CellRow", "EnvironmentRow",
    "EventRow", "ExperimentRow", "ExportedJobRow", "JobRow", "MetricRow", "MlflowRemovalRow", "PluginRow",
    "PluginVersionRow", "PostedMetricRow", "QueueRow", "SecretRow", "SweepRow", "Table", "TicketRow",
    "TokenRow", "WorkerRow",
]  # fmt: skip
