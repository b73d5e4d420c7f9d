"""What crosses the wire between callers, gateway and workers. Every other part speaks in these values."""

from tiltyard.wire.archives import Archive, EntryPoint, Parameter, ParameterType
from tiltyard.wire.artifacts import Artifact
from tiltyard.wire.attempts import Claim, ClaimRequest, Finish, FinishAnswer, Report, ReportAnswer
from tiltyard.wire.events import End, Event, EventKind, EventPage, Frame, Reported
from tiltyard.wire.experiments import Experiment, ExperimentDraft, ExperimentPatch
from tiltyard.wire.jobs import FINAL_STATES, Job, JobState, JobSubmission, Reason, Validation
from tiltyard.wire.model import Page, WireModel
from tiltyard.wire.problems import Problem, ProblemItem
from tiltyard.wire.queues import Queue, QueueDraft, QueuePatch
from tiltyard.wire.workers import Worker, WorkerHeartbeat, WorkerState

__all__ = [
    "FINAL_STATES",
    "Archive",
    "Artifact",
    "Claim",
    "ClaimRequest",
    "End",
    "EntryPoint",
    "Event",
    "EventKind",
    "EventPage",
    "Experiment",
    "ExperimentDraft",
    "ExperimentPatch",
    "Finish",
    "FinishAnswer",
    "Frame",
    "Job",
    "JobState",
    "JobSubmission",
    "Page",
    "Parameter",
    "ParameterType",
    "Problem",
    "ProblemItem",
    "Queue",
    "QueueDraft",
    "QueuePatch",
    "Reason",
    "Report",
    "ReportAnswer",
    "Reported",
    "Validation",
    "WireModel",
    "Worker",
    "WorkerHeartbeat",
    "WorkerState",
]
