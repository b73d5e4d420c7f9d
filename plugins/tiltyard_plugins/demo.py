"""`tiltyard demo`: the whole testbed up, a real attack for a range of eps, followed live; then everything down again."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tiltyard import AsyncClient
from tiltyard.wire import End, EventKind, Frame, JobState
from tiltyard_plugins.examples import DIGITS_FGM
from tiltyard_plugins.pictures.lines import robustness_curve

EPS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
EXPERIMENT = "digits-fgm"
TILTYARD = (sys.executable, "-c", "import sys; from tiltyard.cli import main; sys.exit(main())")


class DemoFailed(Exception):
    """The demo could not be brought to its end; the message says where it broke."""


@dataclass
class Row:
    """What is known of one job so far."""

    eps: float
    job: str
    state: str = "queued"
    step: str = ""
    clean: float | None = None
    robust: float | None = None

    def take(self, frame: Frame) -> None:
        """Learn from a frame of the job's stream."""
        if isinstance(frame, End):
            self.state = str(frame.state)
            return
        data = frame.data
        if frame.kind is EventKind.state:
            self.state = str(data["state"])
        elif frame.kind is EventKind.progress:
            self.step = f"{data['done']:g}/{data['total']:g} {data['note']}"
        elif frame.kind is EventKind.metric and data["name"] == "clean_accuracy":
            self.clean = float(str(data["value"]))
        elif frame.kind is EventKind.metric and data["name"] == "robust_accuracy":
            self.robust = float(str(data["value"]))


def demo(
    eps: Annotated[str, typer.Option(help="The values of eps, separated by commas.")] = ",".join(
        map(str, EPS)
    ),
    output: Annotated[Path, typer.Option(help="Where the robustness curve is drawn.")] = Path(
        "robustness-curve.png"
    ),
    keep: Annotated[
        bool, typer.Option(help="Keep the data directory, to bring the testbed up on it again.")
    ] = False,
) -> None:
    """Run a first attack: bring a testbed up, attack a classifier for a range of eps, draw the curve, clean up."""
    values = _values(eps)
    # Whoever ends the demo, the testbed that it brought up ends with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console, began = Console(), time.monotonic()
    data = Path(tempfile.mkdtemp(prefix="tiltyard-demo-"))
    try:
        with _testbed(data, console) as ready:
            rows = asyncio.run(_attack(ready, values, console, began=began))
            _conclude(rows, output, console, data if keep else None)
    except DemoFailed as failed:
        typer.echo(f"tiltyard demo: {failed}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("tiltyard demo: stopped; nothing is left running", err=True)
        raise typer.Exit(130) from None
    finally:
        if not keep:
            shutil.rmtree(data, ignore_errors=True)


def _values(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a list of numbers such as 0.05,0.1", param_hint="--eps"
        ) from None
    if any(not 0 <= value <= 1 for value in values):
        raise typer.BadParameter("eps lies between 0 and 1, the range of a pixel", param_hint="--eps")
    return values


@contextmanager
def _testbed(data: Path, console: Console) -> Iterator[dict[str, str]]:
    """A testbed of the demo's own; the user's profile stays as it is."""
    console.print("Bringing the whole testbed up: PostgreSQL, broker, gateway, worker, MLflow ...")
    config = data / "config"
    config.mkdir()
    log = data / "up.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*TILTYARD, "up", "--json", "--data", str(data / "testbed"), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=out,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"XDG_CONFIG_HOME": str(config)},
            start_new_session=True,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            process.wait()
            raise DemoFailed(f"the testbed did not come up:\n{log.read_text(errors='replace')[-3000:]}")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


async def _attack(ready: dict[str, str], values: list[float], console: Console, *, began: float) -> list[Row]:
    """Submit a job for each eps and follow them all over one WebSocket until the last has ended."""
    async with AsyncClient(ready["url"], ready["token"]) as testbed:
        rows: dict[str, Row] = {}
        archive = await testbed.upload(DIGITS_FGM)
        for value in values:
            job = await testbed.submit(
                archive.sha256, experiment=EXPERIMENT, parameters={"eps": value, "shown": 0}
            )
            rows[job.id] = Row(eps=value, job=job.id)
        console.print(f"{len(rows)} jobs are submitted; following them live.")
        left, first = set(rows), True
        with Live(_table(rows.values()), console=console, refresh_per_second=8, transient=True) as live:
            async for frame in testbed.follow_many(jobs=list(rows)):
                row = rows[frame.job]
                row.take(frame)
                live.update(_table(rows.values()))
                if not console.is_terminal and isinstance(frame, End):
                    console.print(f"  eps {row.eps:g}: {row.state}")
                if isinstance(frame, End):
                    if first:
                        console.print(f"The first result came after {time.monotonic() - began:.0f} s.")
                        first = False
                    left.discard(frame.job)
                    if not left:
                        break
        for row in rows.values():
            if row.state != JobState.succeeded or row.clean is None or row.robust is None:
                ended = await testbed.job(row.job)
                text = (await testbed.log(row.job))[-2000:]
                raise DemoFailed(f"the job for eps {row.eps:g} is {row.state}: {ended.message or ''}\n{text}")
    return list(rows.values())


def _table(rows: Iterable[Row]) -> Table:
    table = Table(title="fast gradient method against logistic regression, digits", title_justify="left")
    for name in ("eps", "clean accuracy", "robust accuracy"):
        table.add_column(name, justify="right")
    for name in ("job", "state"):
        table.add_column(name)
    for row in rows:
        shown = [f"{value:.3f}" if value is not None else "" for value in (row.clean, row.robust)]
        state = row.state if row.state != "running" or not row.step else f"running {row.step}"
        table.add_row(f"{row.eps:g}", *shown, row.job[:8], state)
    return table


def _conclude(rows: list[Row], output: Path, console: Console, kept: Path | None) -> None:
    console.print(_table(rows))
    points = [{"eps": row.eps, "clean_accuracy": row.clean, "robust_accuracy": row.robust} for row in rows]
    title = "Logistic regression on digits: robust accuracy under attack"
    robustness_curve(points, title=title, attack="fast gradient method").savefig(output, dpi=130)
    console.print(f"The robustness curve is in {output}.")
    if kept is not None:
        console.print(f"Its data is kept: tiltyard up --data {kept / 'testbed'}")
    console.print(
        "Everything was run by the testbed that is stopped now. To keep one: `make up` (or `tiltyard up`), then\n"
        f"  tiltyard submit {_near(DIGITS_FGM)} -x digits -P eps=0.1 --follow\n"
        "  tiltyard ls, status ID, logs ID, artifacts ls ID;  the gateway's API is at /docs, runs are in MLflow's pages",
        soft_wrap=True,
    )


def _near(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
