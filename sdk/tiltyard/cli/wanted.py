"""What `tiltyard submit` and `tiltyard sweep` say of a job, as the client takes it: their options read, in one place."""

from tiltyard.cli.options import dependencies, moment
from tiltyard.client.submission import Wanted
from tiltyard.wire.jobs import Failure


def as_wanted(  # each is an option of both commands
    *,
    experiment: str,
    entry: str,
    parameters: dict[str, str],
    queue: str,
    timeout: str | None,
    queue_timeout: str | None,
    progress_timeout: str | None,
    max_attempts: int,
    retry_on: list[Failure] | None,
    priority: int | None,
    after: list[str] | None,
    start_at: str | None,
    plugin: list[str] | None,
    description: str,
    tag: list[str] | None,
) -> Wanted:
    """What a job is to be. Of retries and priority nothing is said where nothing was: the gateway decides them.

    Raises:
        BadParameter: a moment or a dependency cannot be read.
    """
    wanted: Wanted = {
        "experiment": experiment,
        "entry_point": entry,
        "parameters": parameters,
        "queue": queue,
        "timeout": timeout,
        "queue_timeout": queue_timeout,
        "progress_timeout": progress_timeout,
        "max_attempts": max_attempts,
        "after": dependencies(after) or [],
        "start_at": moment(start_at),
        "plugins": plugin or [],
        "description": description,
        "tags": tag or [],
    }
    if retry_on:
        wanted["retry_on"] = retry_on
    if priority is not None:
        wanted["priority"] = priority
    return wanted
