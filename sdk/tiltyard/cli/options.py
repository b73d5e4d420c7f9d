"""The options that several verbs share, and how what is given to them is read."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from tiltyard.wire.jobs import Condition, Dependency, Failure, JobState

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, or the beginning of it.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids, or the beginnings of them.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on until the job has ended.")]

ByState = Annotated[list[JobState] | None, typer.Option("-s", "--state", help="Only in this state; repeat.")]
ByExperiment = Annotated[str | None, typer.Option("-x", "--experiment", help="Only of this experiment.")]
BySweep = Annotated[
    str | None, typer.Option("--sweep", metavar="ID", help="Only those that this sweep made.")
]
ByQueue = Annotated[str | None, typer.Option("-q", "--queue", help="Only of this queue.")]
ByTag = Annotated[str | None, typer.Option("--tag", help="Only with this tag.")]

EntryPoint = Annotated[str, typer.Option("-e", "--entry", help="The entry point.")]
QueueName = Annotated[
    str, typer.Option("-q", "--queue", help="The queue; each is named after a worker image.")
]
ExperimentName = Annotated[
    str | None,
    typer.Option(
        "-x", "--experiment", help="The experiment; the project's or the folder's name if not given."
    ),
]
Timeout = Annotated[str | None, typer.Option(help="The longest that one attempt may run: 90s, 30m, 2h, 1d.")]
MaxAttempts = Annotated[int, typer.Option(help="How often the code may start at most.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the end; the exit code tells how it ended.")]
QueueTimeout = Annotated[
    str | None, typer.Option(help="The longest that it may wait in its queue: 90s, 30m, 2h, 1d.")
]
ProgressTimeout = Annotated[
    str | None, typer.Option(help="The longest that an attempt may be silent: no output, metric or progress.")
]
RetryOn = Annotated[
    list[Failure] | None,
    typer.Option(
        help="A failure to try again after; repeat. worker_lost and start_failed where none is given."
    ),
]
Priority = Annotated[
    int | None, typer.Option(min=0, max=9, help="Higher goes first in its queue; 5 where not given.")
]
After = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID[:CONDITION]", help="Start when this job has succeeded (or: failed, any); repeat."
    ),
]
StartAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="Not before: 2026-01-31T18:00, or +30m, +2h, +1d from now.")
]
Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="NAME[==VERSION]", help="A plugin that its code uses; repeat."),
]
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def group(text: str) -> typer.Typer:
    """A verb that has verbs."""
    return typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, help=text)


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Parameters from `NAME=VALUE`."""
    values: dict[str, str] = {}
    for pair in given or ():
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{pair!r} is not NAME=VALUE", param_hint=option)
        if name in values:
            raise typer.BadParameter(f"{name} is given twice", param_hint=option)
        values[name] = value
    return values


def dependencies(given: list[str] | None) -> list[Dependency] | None:
    """Dependencies from `ID` and `ID:CONDITION`."""
    if not given:
        return None
    found = []
    for one in given:
        job, _, condition = one.partition(":")
        if condition not in {"", *Condition}:
            known = ", ".join(Condition)
            raise typer.BadParameter(f"{condition!r} is none of {known}", param_hint="--after")
        found.append(Dependency(job=job, condition=Condition(condition or Condition.succeeded)))
    return found


def moment(given: str | None) -> datetime | None:
    """A moment from an ISO time, local where it names no zone, or from a length of time after now."""
    if given is None:
        return None
    try:
        if given.startswith("+"):
            return datetime.now(UTC) + timedelta(**{_UNITS[given[-1]]: float(given[1:-1])})
        return datetime.fromisoformat(given).astimezone()
    except (ValueError, KeyError, OverflowError):
        said = f"{given!r} is no moment: write 2026-01-31T18:00, or +30m, +2h, +1d"
        raise typer.BadParameter(said, param_hint="--start-at") from None
