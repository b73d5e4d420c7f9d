"""`tiltyard worker`: a worker of one queue as a process.

The first SIGTERM lets the running job end and takes nothing new; the second hands the job back and stops at once.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from tiltyard_workers.fences.fence import Fence, choose_fence
from tiltyard_workers.gateway import Away, Gateway, Refused
from tiltyard_workers.presence import Presence
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.scratch import clear_dead_workers


def worker(
    queue: Annotated[str, typer.Option(help="The queue to serve, named after this worker's image.")],
    url: Annotated[str | None, typer.Option(help="The gateway; TILTYARD_URL where it is not set.")] = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Where jobs run; TILTYARD_SCRATCH where it is not set.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="The container image that this worker runs in.")] = None,
    fence: Annotated[
        str, typer.Option(help="bubblewrap, unshare or subreaper; the strongest where not set.")
    ] = "",
) -> None:
    """Run jobs of one queue. Needs TILTYARD_WORKER_TOKEN and TILTYARD_BROKER_URL, and knows no database."""
    given = {
        name: value
        for name, value in (("url", url), ("scratch", scratch), ("image", image))
        if value is not None
    }
    settings = _settings(given)
    chosen = _fence(fence)
    settings.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    clear_dead_workers(settings.scratch)
    gateway = Gateway(settings.url, settings.worker_token.get_secret_value())
    presence = Presence(
        gateway, queue=queue, image=settings.image, fence=chosen.name, every=settings.heartbeat_seconds
    )
    _introduce(presence, settings)
    typer.echo(f"worker {presence.id} serves {queue} behind {chosen.name} for {settings.url}", err=True)
    from tiltyard_workers.host import host  # noqa: PLC0415 - Celery is imported when everything else is right

    raise typer.Exit(host(settings, queue=queue, fence=chosen, presence=presence))


def _settings(given: Mapping[str, object]) -> WorkerSettings:
    try:
        return WorkerSettings(**given)  # type: ignore[arg-type]  # the rest comes from the environment
    except ValidationError as error:
        names = [f"TILTYARD_{'_'.join(map(str, problem['loc']))}".upper() for problem in error.errors()]
        _stop(
            f"set {' and '.join(names)}; `tiltyard token create --role worker` makes a worker's token", code=2
        )


def _fence(wanted: str) -> Fence:
    try:
        return choose_fence(wanted)
    except ValueError as error:
        _stop(f"{error}; `tiltyard doctor` says which does", code=2)


def _introduce(presence: Presence, settings: WorkerSettings) -> None:
    """Tell the gateway who is there; wait for one that is away, and stop at one that will not have us."""
    told = False
    while True:
        try:
            presence.say()
        except Away as away:
            if not told:
                typer.echo(f"tiltyard worker: {settings.url} does not answer ({away}); trying on", err=True)
            told = True
            time.sleep(1)
        except Refused as refused:
            if refused.status in {401, 403}:
                _stop(f"{settings.url} does not take this token: {refused}")
            _stop(str(refused))
        else:
            return


def _stop(message: str, *, code: int = 1) -> NoReturn:
    typer.echo(f"tiltyard worker: {message}", err=True)
    raise typer.Exit(code)
