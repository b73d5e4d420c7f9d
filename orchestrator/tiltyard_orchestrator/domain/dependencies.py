"""What a job that waits for others makes of how they stand."""

from collections.abc import Iterable

from tiltyard.wire.jobs import Condition, Dependency, JobState


def satisfied(condition: Condition, state: JobState) -> bool | None:
    """Whether a job in this state is what another one waits for; None while that can not be said."""
    if not state.final:
        return None
    return condition is Condition.any or condition.value == state.value


def dead_end(after: Iterable[Dependency], states: dict[str, JobState]) -> str | None:
    """The sentence that tells of a dependency that can not come true any more, if there is one.

    Args:
        after: what is waited for.
        states: how those jobs stand.
    """
    for one in after:
        state = states.get(one.job)
        if state is None:
            return f"It was to wait for job {one.job}, which is not there any more."
        if satisfied(one.condition, state) is False:
            return f"It was to run when job {one.job} had {_ended(one.condition)}, and that one is {state.value}."
    return None


def _ended(condition: Condition) -> str:
    return "ended" if condition is Condition.any else condition.value
