"""What crosses the wire between callers, gateway and workers. Every other part speaks in these values."""

from tiltyard.wire.archives import Archive, EntryPoint, Parameter, ParameterType
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.attempts import Claim, ClaimRequest, Finish, FinishAnswer, Report, ReportAnswer
from tiltyard.wire.events import End, Event, EventKind, EventPage, Frame, Reported, ReportedKind
from tiltyard.wire.experiments import Experiment, ExperimentDraft, ExperimentPatch
from tiltyard.wire.explanations import AttemptStory, Explanation, Pending, Waits
from tiltyard.wire.history import ExportedJob, Prune, Pruned
from tiltyard.wire.jobs import (
    FINAL_STATES,
    CancelledMany,
    CancelMany,
    Condition,
    Dependency,
    Failure,
    Job,
    JobChanges,
    JobState,
    JobSubmission,
    Reason,
    Validation,
)
from tiltyard.wire.model import Page, WireModel
from tiltyard.wire.problems import Problem, ProblemItem
from tiltyard.wire.queues import Queue, QueueDraft, QueuePatch
from tiltyard.wire.workers import Worker, WorkerHeartbeat, WorkerOrder, WorkerState

__all__ = [
    "FINAL_STATES",
    "Archive",
    "Artifact",
    "AttemptStory",
    "CancelMany",
    "CancelledMany",
    "Claim",
    "ClaimRequest",
    "Condition",
    "Dependency",
    "End",
    "EntryPoint",
    "Event",
    "EventKind",
    "EventPage",
    "Experiment",
    "ExperimentDraft",
    "ExperimentPatch",
    "Explanation",
    "ExportedJob",
    "Failure",
    "Finish",
    "FinishAnswer",
    "Frame",
    "Job",
    "JobChanges",
    "JobState",
    "JobSubmission",
    "Page",
    "Parameter",
    "ParameterType",
    "Pending",
    "Problem",
    "ProblemItem",
    "Prune",
    "Pruned",
    "Queue",
    "QueueDraft",
    "QueuePatch",
    "Reason",
    "Report",
    "ReportAnswer",
    "Reported",
    "ReportedKind",
    "Validation",
    "Waits",
    "WireModel",
    "Worker",
    "WorkerHeartbeat",
    "WorkerOrder",
    "WorkerState",
]
