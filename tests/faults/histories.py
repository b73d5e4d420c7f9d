"""Whether each job's history and result are those of one execution, and every other execution has a cause."""

import hashlib
from datetime import timedelta
from itertools import pairwise

from tests.faults.evidence import FINAL, Evidence, Found, Span, spans
from tests.faults.ledger import Recorded
from tests.faults.witness import Life

SLACK_SECONDS = 0.1
"""Two attempts that are closer than a job's beat are not said to overlap."""
CLOCK_SLACK = timedelta(seconds=30)
"""An event is dated from the beginning of its transaction, which a fault may draw out."""
MOVES = {None: {"queued"}, "queued": {"running"}, "running": {"queued", *FINAL}}
"""What may follow a state. Behind an end there is nothing: that is another finding."""


def double(evidence: Evidence) -> Found:
    """What happened twice: a submission, an end, a line of output."""
    keys: dict[str, list[str]] = {}
    for job in evidence.recorded.values():
        keys.setdefault(job.key, []).append(job.id)
        ends = [event for event in job.events if event.kind == "state" and event.data["state"] in FINAL]
        if len(ends) > 1:
            yield job.id, f"{job.id} ended {len(ends)} times"
        if ends and ends[-1] is not job.events[-1]:
            yield job.id, f"{job.id} has events behind its end"
    for sent in evidence.load.sent:
        made = sorted({*keys.get(sent.key, []), *sent.answers})
        if len(made) > 1:
            yield made[0], f"the submission {sent.key} made {len(made)} jobs: {', '.join(made)}"


def wrong(evidence: Evidence) -> Found:
    """Results that are not the last attempt's, and executions that nothing explains."""
    for job in evidence.recorded.values():
        attempts = spans(job)
        for said in (
            *_moved_wrong(job),
            *_dated_wrong(job),
            *_told_wrong(job, attempts),
            *_ended_wrong(evidence, job),
            *_recorded_wrong(evidence, job, attempts),
            *_started_wrong(evidence, job, attempts),
        ):
            yield job.id, f"{job.id}: {said}"


def overlapping(evidence: Evidence) -> list[tuple[str, str, bool]]:
    """The jobs of which two attempts ran at once: the job, a sentence, and whether a fault explains it."""
    found = []
    for job in evidence.recorded:
        lives = evidence.lives_of(job)
        for earlier, later in pairwise(lives):
            both = _both(earlier, later)
            if both > SLACK_SECONDS:
                said = f"{job}: epochs {earlier.epoch} and {later.epoch} ran at once for {both:.2f} s"
                found.append((job, said, evidence.may_overlap(job)))
                break
    return found


def _both(earlier: Life, later: Life) -> float:
    return min(earlier.last, later.last) - max(earlier.first, later.first)


def _moved_wrong(job: Recorded) -> list[str]:
    """A job is queued, runs, and ends or is queued again."""
    states = [None, *(event.data["state"] for event in job.events if event.kind == "state")]
    return [
        f"it went from {before} to {after}"
        for before, after in pairwise(states)
        if before not in FINAL and after not in MOVES[before]
    ]


def _dated_wrong(job: Recorded) -> list[str]:
    """What an attempt tells is dated between its start and its end, whatever its worker's clock says."""
    states = [event for event in job.events if event.kind == "state"]
    found = []
    for before, after in pairwise(states):
        earliest, latest = before.at - CLOCK_SLACK, after.at + CLOCK_SLACK
        found += [
            f"its event {event.seq} is dated {event.at}, and its attempt went from {before.at} to {after.at}"
            for event in job.events[before.seq : after.seq]
            if not earliest <= event.at <= latest
        ]
    return found


def _told_wrong(job: Recorded, attempts: list[Span]) -> list[str]:
    """A job prints numbered lines: those of each attempt are 0, 1, 2, … without one twice or missing."""
    found = []
    for span in attempts:
        text = "".join(event.data["text"] for event in span.inside if _is_output(event.data))
        words = [line.split(" ") for line in text.splitlines()]
        numbers = [word[-1] for word in words if word[-1] != "end"]
        if numbers != [str(number) for number in range(len(numbers))]:
            found.append(f"attempt {span.attempt} told the lines {numbers}")
        if len({word[0] for word in words}) > 1:
            found.append(f"attempt {span.attempt} has lines of more than one epoch")
    return found


def _is_output(data: dict[str, object]) -> bool:
    return data.get("stream") == "stdout"


def _ended_wrong(evidence: Evidence, job: Recorded) -> list[str]:
    match job.row["state"], job.row["reason"]:
        case ("succeeded", None) if not job.row["cancel_requested"]:
            return []
        case ("failed", "signal" | "exit_code") if evidence.may_fail(job.id):
            return []
        case ("failed", "worker_lost") if job.row["attempt"] == job.row["max_attempts"]:
            return []
        case (state, reason) if state in FINAL:
            return [f"it ended {state} ({reason}), which no fault explains: {job.row['message']}"]
    return []


def _recorded_wrong(evidence: Evidence, job: Recorded, attempts: list[Span]) -> list[str]:
    if job.row["state"] != "succeeded":
        return []
    last = attempts[-1]
    epoch = job.row["epoch"]
    metrics = [event.data for event in last.inside if event.kind == "metric"]
    text = hashlib.sha256(f"{job.id} {epoch}\n".encode()).hexdigest()
    files = [(one["epoch"], one["sha256"]) for one in job.artifacts if one["epoch"] == epoch]
    listed = [one.sha256 for one in evidence.listed.get(job.id, [])]
    checks = {
        "its result is not of the last epoch": job.row["finished_epoch"] == epoch,
        "its last attempt is not the one that ended it": last.attempt == job.row["attempt"],
        f"its metric should be {epoch} and is {metrics}": [one["value"] for one in metrics] == [epoch],
        f"its stored files are {files}": files == [(epoch, text)],
        f"the files that are listed are {listed}": listed == [text],
        "an execution that its own process tells of as the last one did not end it": _last_is(evidence, job),
    }
    return [said for said, holds in checks.items() if not holds]


def _last_is(evidence: Evidence, job: Recorded) -> bool:
    lives = evidence.lives_of(job.id)
    return bool(lives) and max(life.epoch for life in lives) == job.row["epoch"]


def _started_wrong(evidence: Evidence, job: Recorded, attempts: list[Span]) -> list[str]:
    ends = [span.end.data.get("reason") for span in attempts if span.end is not None]
    released = ends.count("released")
    found = []
    most = job.row["max_attempts"] + released
    if (starts := len(evidence.lives_of(job.id))) > most:
        found.append(f"its code started {starts} times, and may {most} times")
    if "worker_lost" in ends and not evidence.may_lose_lease(job.id):
        found.append("its lease ran out, which no fault explains: it was executed anew for nothing")
    if "start_failed" in ends and not evidence.may_fail_to_start(job.id):
        found.append("its start failed, which no fault explains")
    return found
