"""Whose turn is next in a queue: the higher priority, and with time everybody.

A step of priority counts as much as ten minutes of waiting. So a job's place is one moment, fixed when it enters its queue:
`then - priority x 10 minutes`, the earliest first. Nothing ages in the background, and nothing starves: a job of priority 0
goes before every job of priority 9 that came an hour and a half after it.
"""

STEP_SECONDS = 600.0


def head_start(priority: int) -> float:
    """The seconds that a priority counts for."""
    return priority * STEP_SECONDS
