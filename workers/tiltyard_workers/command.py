"""`tiltyard worker`: a worker of one queue as a process.

The first SIGTERM lets the running job end and takes nothing new; the second, or SIGQUIT, hands the job back and stops.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from signal import SIGQUIT
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from tiltyard.profile import load_worker
from tiltyard_workers.fences.fence import Fence, choose_fence
from tiltyard_workers.fences.strays import close_to_jobs
from tiltyard_workers.gateway import Away, Gateway, Refused
from tiltyard_workers.parent import end_with_parent
from tiltyard_workers.presence import Presence
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.scratch import clear_dead_workers

BROKERS = ("amqp://", "amqps://", "redis://", "rediss://")


def worker(
    queue: Annotated[
        list[str], typer.Option(help="The queue to serve, one, named after this worker's image.")
    ],
    url: Annotated[str | None, typer.Option(help="The gateway; TILTYARD_URL where it is not set.")] = None,
    scratch: Annotated[
        Path | None, typer.Option(help="Where jobs run; TILTYARD_SCRATCH where it is not set.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="The container image that this worker runs in.")] = None,
    name: Annotated[
        str, typer.Option(help="What it is called; its host, queue and process id if not set.")
    ] = "",
    fence: Annotated[
        str, typer.Option(help="bubblewrap, unshare or subreaper; the strongest where not set.")
    ] = "",
    exit_with_parent: Annotated[
        bool, typer.Option("--exit-with-parent", help="Hand the job back and stop when the launcher ends.")
    ] = False,
) -> None:
    """Run jobs of one queue; it knows no database.

    Beside a testbed that `tiltyard up` started here it needs nothing more; elsewhere TILTYARD_WORKER_TOKEN and
    TILTYARD_BROKER_URL.

    TILTYARD_JOB_PROCESSES, TILTYARD_JOB_SCRATCH_BYTES and TILTYARD_JOB_SHM_BYTES limit what a job may use; `tiltyard doctor`
    says how much that is where they are not set.
    """
    if exit_with_parent:
        end_with_parent(SIGQUIT)
    close_to_jobs()
    served = _only(queue)
    given = (("url", url), ("scratch", scratch), ("image", image))
    settings = _settings(_beside_a_testbed(url) | {key: value for key, value in given if value is not None})
    chosen = _fence(fence)
    _prepare(settings.scratch)
    gateway = Gateway(settings.url, settings.worker_token.get_secret_value())
    presence = Presence(
        gateway,
        queue=served,
        image=settings.image,
        fence=chosen.name,
        every=settings.heartbeat_seconds,
        name=name,
        image_digest=settings.image_digest,
    )
    _introduce(presence, settings)
    # Celery is imported when everything else is right.
    from tiltyard_workers.broker import TurnedAway, knock, make_celery  # noqa: PLC0415
    from tiltyard_workers.host import host  # noqa: PLC0415

    app = make_celery(settings.broker_url.get_secret_value(), served)
    try:
        knock(
            app, tell=lambda why: typer.echo(f"the broker does not let this worker in yet: {why}", err=True)
        )
    except TurnedAway as refusal:
        presence.stop()
        _stop(f"the broker that TILTYARD_BROKER_URL names does not have this worker of {served}: {refusal}")
    typer.echo(f"worker {presence.id} serves {served} behind {chosen.name} for {settings.url}", err=True)
    try:
        code = host(app, settings, queue=served, fence=chosen, presence=presence)
    except BlockingIOError:
        _stop(f"a worker called {presence.id} runs here already; give this one another --name")
    raise typer.Exit(code)


def _only(queues: list[str]) -> str:
    if len(queues) != 1 or any(separator in queues[0] for separator in ", "):
        _stop("a worker serves one queue: start one worker for each", code=2)
    return queues[0]


def _beside_a_testbed(url: str | None) -> dict[str, object]:
    """The settings of the workers of this machine's testbed, for one who was given neither another gateway nor a secret."""
    kept = load_worker()
    elsewhere = url or os.environ.get("TILTYARD_URL") or kept.get("TILTYARD_URL")
    own = {"TILTYARD_WORKER_TOKEN", "TILTYARD_BROKER_URL"} & os.environ.keys()
    if own or elsewhere != kept.get("TILTYARD_URL"):
        return {}
    return {
        name.removeprefix("TILTYARD_").lower(): value
        for name, value in kept.items()
        if name not in os.environ
    }


def _settings(given: Mapping[str, object]) -> WorkerSettings:
    try:
        settings = WorkerSettings(**given)  # type: ignore[arg-type]  # the rest comes from the environment
    except ValidationError as error:
        missing = [_variable(problem) for problem in error.errors() if problem["type"] == "missing"]
        if missing:
            advice = "`tiltyard token create --role worker` makes a worker's token"
            _stop(f"set {' and '.join(missing)}; {advice}", code=2)
        wrong = error.errors()[0]
        _stop(f"{_variable(wrong)}: {wrong['msg']}", code=2)
    if not settings.broker_url.get_secret_value().startswith(BROKERS):
        _stop(f"TILTYARD_BROKER_URL begins with {', '.join(BROKERS)}", code=2)
    if not settings.url.startswith(("http://", "https://")):
        _stop(f"the gateway's address begins with http:// or https://, not {settings.url!r}", code=2)
    return settings


def _variable(problem: Mapping[str, object]) -> str:
    place = problem["loc"]
    assert isinstance(place, tuple)
    return f"TILTYARD_{'_'.join(map(str, place))}".upper()


def _fence(wanted: str) -> Fence:
    try:
        return choose_fence(wanted)
    except ValueError as error:
        _stop(f"{error}; `tiltyard doctor` says which does", code=2)


def _prepare(scratch: Path) -> None:
    try:
        scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        clear_dead_workers(scratch)
    except OSError as error:
        _stop(f"it cannot write to {scratch}: {error.strerror}; set TILTYARD_SCRATCH to a folder of its own")


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
