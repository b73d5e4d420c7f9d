"""`tiltyard up`: the whole testbed with one command, until it is told to stop."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from tiltyard.profile import Profile, save_profile, save_worker
from tiltyard_orchestrator.embedded.data import DataFolder, Unusable, free_port, is_free, why
from tiltyard_orchestrator.embedded.part import NotReady
from tiltyard_orchestrator.embedded.testbed import Testbed


def default_data() -> Path:
    """Where a user's testbed keeps its data."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tiltyard"


def up(
    data: Annotated[
        Path | None, typer.Option(help="The data directory.", show_default="~/.local/share/tiltyard")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The gateway's port; 0 chooses a free one.")
    ] = 8420,
    workers: Annotated[int, typer.Option(min=0, max=64, help="How many cpu workers to start.")] = 1,
    mlflow: Annotated[bool, typer.Option(help="Start an MLflow server too.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object when ready.")] = False,
) -> None:
    """Bring the whole testbed up on this machine, and keep it up until Ctrl-C."""
    folder = DataFolder(data or default_data())
    try:
        with folder.held():
            port = port or free_port()
            _check_port(port)
            code = asyncio.run(_run(folder, port=port, workers=workers, mlflow=mlflow, as_json=as_json))
    except (Unusable, NotReady) as error:
        typer.echo(f"tiltyard up: {error}", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"tiltyard up: {folder.root}: {why(error)}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(code)


def _check_port(port: int) -> None:
    if not is_free(port):
        raise Unusable(f"port {port} is taken; give another one with --port")


async def _run(folder: DataFolder, *, port: int, workers: int, mlflow: bool, as_json: bool) -> int:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)
    _say(f"bringing a testbed up in {folder.root}")
    testbed = Testbed(folder, port=port, workers=workers, mlflow=mlflow, say=_say)
    try:
        starting = asyncio.create_task(testbed.start())
        stopping = asyncio.create_task(told.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not told.is_set():
            await starting
            _announce(testbed, as_json=as_json)
            await _stay(testbed, told)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
    finally:
        _say("stopping")
        await testbed.stop()
    _say("stopped; `tiltyard up` goes on where it was")
    return 0


async def _stay(testbed: Testbed, told: asyncio.Event) -> None:
    tracking = asyncio.create_task(testbed.start_tracking())
    tracking.add_done_callback(_complain)
    await told.wait()
    tracking.cancel()
    await asyncio.gather(tracking, return_exceptions=True)


def _complain(tracking: "asyncio.Task[None]") -> None:
    if not tracking.cancelled() and (error := tracking.exception()) is not None:
        _say(f"jobs run, and are not recorded in MLflow: {error}")


def _announce(testbed: Testbed, *, as_json: bool) -> None:
    try:
        save_profile(Profile(url=testbed.url, token=testbed.token))
        save_worker(testbed.worker_environment)
    except OSError as error:
        _say(
            f"the profile could not be written ({error.strerror}): set TILTYARD_URL and TILTYARD_TOKEN yourself"
        )
    if as_json:
        ready = {
            "url": testbed.url,
            "token": testbed.token,
            "mlflow_url": testbed.mlflow_url,
            "pid": os.getpid(),
        }
        print(json.dumps(ready), flush=True)  # noqa: T201 - what programs read
        return
    print(f"TILTYARD_URL={testbed.url}\nTILTYARD_TOKEN={testbed.token}", flush=True)  # noqa: T201 - the same
    _say("ready: `tiltyard submit PATH` runs an entry point here; Ctrl-C stops the testbed")


def _say(line: str) -> None:
    mark = typer.style("tiltyard", fg="cyan") if sys.stderr.isatty() else "tiltyard"
    typer.echo(f"{mark}: {line}", err=True)
