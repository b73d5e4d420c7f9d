"""Whether every follower saw every event once, in order, and then the end."""

from tests.faults.evidence import Evidence, Found, events_in
from tests.faults.ledger import Recorded
from tiltyard.wire.events import End, Frame


def gaps(evidence: Evidence) -> Found:
    """What is missing, doubled or out of order: in the database, and in what followers saw."""
    for job in evidence.recorded.values():
        if [event.seq for event in job.events] != list(range(job.row["seq"] + 1)):
            yield job.id, f"{job.id} has seq {job.row['seq']}, and its stored events are not 0 to that"
    crowd, bystander = _by_job(evidence.load.crowd), _by_job(evidence.load.bystander)
    if evidence.load.crowd_error:
        yield None, f"the follower of all jobs gave up: {evidence.load.crowd_error}"
    for sent in evidence.accepted:
        found = evidence.recorded.get(sent.job or "")
        if found is None or found.row["finished_at"] is None:
            continue
        if sent.error:
            yield found.id, f"the follower of {found.id} gave up: {sent.error}"
        for who, frames in (
            ("own follower", sent.frames),
            ("follower of all", crowd.get(found.id, [])),
            ("follower without a client", bystander.get(found.id, [])),
        ):
            if said := _missed(found, frames):
                yield found.id, f"{found.id}: its {who} {said}"


def _by_job(frames: list[Frame]) -> dict[str, list[Frame]]:
    found: dict[str, list[Frame]] = {}
    for frame in frames:
        found.setdefault(frame.job, []).append(frame)
    return found


def _missed(job: Recorded, frames: list[Frame]) -> str | None:
    if not frames or not isinstance(frames[-1], End):
        return f"saw {len(frames)} frames and no end"
    if sum(isinstance(frame, End) for frame in frames) != 1:
        return "saw more than one end"
    seen = [(event.seq, event.kind.value) for event in events_in(frames)]
    stored = [(event.seq, event.kind) for event in job.events]
    if seen != stored:
        return f"saw {[seq for seq, _ in seen]} of {len(stored)} events"
    if (frames[-1].seq, frames[-1].state.value) != (job.row["seq"], job.row["state"]):
        return f"was told of an end that is not the job's: {frames[-1]}"
    return None
