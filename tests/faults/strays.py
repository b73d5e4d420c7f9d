"""Whether a job's processes ended with it: some jobs leave one in a session of its own, which tells of itself."""

from tests.faults.evidence import Evidence, Found

MOST_BEATS = 15
"""What is heard of a stray while its job's process ends, and the fence with it. It beats five times a second."""


def outlived(evidence: Evidence) -> Found:
    """The strays that went on without the process that left them."""
    for life in evidence.lives:
        if life.strayed > MOST_BEATS:
            yield (
                life.job,
                f"{life.job}: a process that epoch {life.epoch} left told {life.strayed} times that it lives on",
            )
