"""What results cost: 10,000 jobs listed, sorted, filtered and plotted, beside MLflow's own search over the same runs.

    make bench-results                                everything on this machine, from packages alone
    make bench-results ARGS="--jobs 1000 --rounds 5"
    make bench-results ARGS="--database-url postgresql://postgres@127.0.0.1/postgres"

Both servers run all the time, one process each, on the same PostgreSQL; every round asks both, and begins with the other
one. benchmarks/README.md says how to read the result.
"""

import argparse
import asyncio
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from benchmarks.filling import EXPERIMENT, fill_mlflow, fill_ours
from benchmarks.surroundings import Gateway, database, gateway, mlflow_server, ready_to_submit, scratch

from tiltyard import Client

FIRST = 100
METRIC, PARAMETER = "robust_accuracy", "eps"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What both are asked, and how each is."""

    label: str
    ours: Callable[[], int]
    """Asks, and says how many jobs the answer was about."""
    theirs: Callable[[], int]


@dataclass
class Taken:
    """Seconds of each round."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)


class Ours:
    """A testbed, asked by its client and over plain HTTP."""

    def __init__(self, running: Gateway) -> None:
        self.client = Client(running.url, running.token)
        headers = {"Authorization": f"Bearer {running.token}"}
        self.http = httpx.Client(base_url=f"{running.url}/api/v1", headers=headers, timeout=120)

    def everything(self) -> int:
        """Every job, page after page."""
        return len(list(self.client.results(EXPERIMENT)))

    def first(self, **asked: str | list[str]) -> int:
        """The first page, sorted by a metric."""
        params: dict[str, Any] = {"limit": FIRST, "sort": f"-metric.{METRIC}"} | asked
        answer = self.http.get(f"/experiments/{EXPERIMENT}/results", params=params).raise_for_status()
        return len(answer.json()["items"])

    def plotted(self) -> int:
        """A picture of every job."""
        params = {"x": PARAMETER, "y": METRIC, "by": "attack"}
        picture = self.http.get(f"/experiments/{EXPERIMENT}/plot.svg", params=params).raise_for_status()
        return int(b"<svg" in picture.content)

    def close(self) -> None:
        """Close every connection."""
        self.http.close()
        self.client.close()


class Theirs:
    """MLflow, asked by its client and over plain HTTP."""

    def __init__(self, server: str) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        import matplotlib as mpl  # noqa: PLC0415
        import mlflow  # noqa: PLC0415 - it takes seconds, and is nobody's but theirs

        mpl.use("svg")
        mlflow.set_tracking_uri(server)
        self.mlflow = mlflow
        self.http = httpx.Client(base_url=f"{server}/api/2.0/mlflow", timeout=120)
        named = self.http.get("/experiments/get-by-name", params={"experiment_name": EXPERIMENT})
        self.experiment = named.raise_for_status().json()["experiment"]["experiment_id"]

    def frame(self) -> Any:
        """All runs, as `mlflow.search_runs` gives them."""
        return self.mlflow.search_runs(experiment_names=[EXPERIMENT], max_results=1_000_000)

    def everything(self) -> int:
        """Every run."""
        return len(self.frame())

    def first(self, wanted: str = "") -> int:
        """The first page, sorted by a metric."""
        body = {
            "experiment_ids": [self.experiment], "max_results": FIRST, "filter": wanted,
            "order_by": [f"metrics.{METRIC} DESC"],
        }  # fmt: skip
        return len(self.http.post("/runs/search", json=body).raise_for_status().json().get("runs", []))

    def plotted(self) -> int:
        """The same picture, as who has the runs in a frame draws it: means, with the interval that 95 % of them lie in."""
        from matplotlib import pyplot as plt  # noqa: PLC0415

        runs = self.frame().astype({f"params.{PARAMETER}": float})
        figure, axes = plt.subplots()
        for attack, some in runs.groupby("params.attack"):
            spread = some.groupby(f"params.{PARAMETER}")[f"metrics.{METRIC}"]
            mean, half = spread.mean(), 1.96 * spread.sem().fillna(0)
            axes.plot(mean.index, mean, marker="o", label=attack)
            axes.fill_between(mean.index, mean - half, mean + half, alpha=0.2)
        axes.legend()
        picture = io.BytesIO()
        figure.savefig(picture, format="svg")
        plt.close(figure)
        return int(b"<svg" in picture.getvalue())

    def close(self) -> None:
        """Close every connection."""
        self.http.close()


def questions(ours: Ours, theirs: Theirs, jobs: int) -> list[Question]:
    """What is measured."""
    fits = [f"metric.{METRIC}<0.5", "param.attack=pgd"]
    same = f"metrics.{METRIC} < 0.5 and params.attack = 'pgd'"
    return [
        Question(label=f"all {jobs} listed", ours=ours.everything, theirs=theirs.everything),
        Question(label=f"the {FIRST} best by a metric", ours=ours.first, theirs=theirs.first),
        Question(
            label=f"{FIRST} by metric and parameter",
            ours=lambda: ours.first(where=fits),
            theirs=lambda: theirs.first(same),
        ),
        Question(label=f"all {jobs} in one picture", ours=ours.plotted, theirs=theirs.plotted),
    ]


def measure(asked: list[Question], rounds: int) -> dict[str, Taken]:
    """Ask both in turns. What both answer first is not counted, and must be about the same jobs."""
    found = {one.label: Taken() for one in asked}
    for one in asked:
        if (ours := one.ours()) != (theirs := one.theirs()):
            raise SystemExit(
                f"{one.label}: {ours} of ours, {theirs} of MLflow's; they were not asked the same"
            )
    for number in range(rounds):
        for one in asked:
            taken = found[one.label]
            turns = [(one.ours, taken.ours), (one.theirs, taken.theirs)]
            for ask, seconds in turns if number % 2 == 0 else reversed(turns):
                seconds.append(_seconds(ask))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return found


def _seconds(ask: Callable[[], int]) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def table(found: dict[str, Taken]) -> str:
    """The result for a person; a ratio above 1 is how many times longer MLflow takes."""
    lines = [f"{'seconds, the median':38}{'tiltyard':>14}{'MLflow':>14}{'ratio':>9}"]
    for label, taken in found.items():
        ours, theirs = statistics.median(taken.ours), statistics.median(taken.theirs)
        lines.append(f"{label:38}{ours:14.3f}{theirs:14.3f}{theirs / ours:8.1f}x")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description="Measure results beside MLflow's search.")
    parser.add_argument(
        "--database-url", help="a PostgreSQL server to make two databases on; the wheel's by default"
    )
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs, and runs (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    return parser.parse_args()


def main() -> None:
    """Start both servers, fill them, measure, and leave nothing running."""
    options = parse()
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        url = stack.enter_context(database(options.database_url, folder))
        other = stack.enter_context(database(url, folder))
        running = stack.enter_context(gateway(url, folder))
        server = stack.enter_context(mlflow_server(other, folder))
        asyncio.run(fill_ours(url, _template(running, folder), options.jobs))
        fill_mlflow(server, other, options.jobs)
        print(f"both have {options.jobs}", file=sys.stderr)
        ours, theirs = Ours(running), Theirs(server)
        stack.callback(ours.close)
        stack.callback(theirs.close)
        found = measure(questions(ours, theirs, options.jobs), options.rounds)
    print(
        json.dumps({label: vars(taken) for label, taken in found.items()}) if options.json else table(found)
    )


def _template(running: Gateway, folder: Path) -> str:
    """A job that the others are like, in an experiment of its own."""
    body = json.loads(ready_to_submit(running, folder)) | {"experiment": "template"}
    headers = {"Authorization": f"Bearer {running.token}"}
    answer = httpx.post(f"{running.url}/api/v1/jobs", json=body, headers=headers, timeout=60)
    return str(answer.raise_for_status().json()["id"])


if __name__ == "__main__":
    main()
