"""What a client asks of results: metrics of a job and their histories, and the results of an experiment."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from tiltyard.client import download as downloading
from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import given, segment
from tiltyard.client.pages import read_pages
from tiltyard.client.submission import plain
from tiltyard.wire.jobs import Job, JobState
from tiltyard.wire.results import Metric, MetricHistory, Result, written

TableFormat = Literal["csv", "parquet"]
_PAGE = 1_000
_VALUES = 10_000
"""Of one page of a history."""


class Questions(TypedDict, total=False):
    """Which results are asked for, and in which order."""

    state: Sequence[JobState | str]
    tag: str | None
    entry_point: str | None
    sweep: str | None
    created_after: datetime | None
    created_before: datetime | None
    where: Sequence[str]
    """Conditions that all hold, such as `metric.accuracy<0.5` and `param.eps>=0.1`."""
    sort: str | None
    """`metric.NAME`, `param.NAME`, `created`, `finished` or `seconds`; `-` before it: the highest first."""


class ResultCalls(Calls):
    """The calls of an `AsyncClient` that are about results."""

    async def metrics(self, job: str | Job) -> dict[str, Metric]:
        """A job's metrics by name, each as it stands: its last value by step."""
        path = f"jobs/{await self._id(job)}/metrics"
        pages = read_pages(self._connection, Metric, path, {"limit": _PAGE})
        return {metric.name: metric async for metric in pages}

    async def metric_history(self, job: str | Job, name: str) -> MetricHistory:
        """All values of a metric by step, and whether they are all that were logged.

        Raises:
            NotFound: the job has no such metric.
        """
        address = f"jobs/{await self._id(job)}/metrics/{segment(name)}"
        items: list[Metric] = []
        cursor: str | None = None
        while True:
            asked = {"limit": _VALUES, "cursor": cursor}
            page = await self._connection.ask(MetricHistory, "GET", address, params=asked)
            items += page.items
            if (cursor := page.next) is None:
                return page.model_copy(update={"items": items})

    async def post_metrics(
        self, job: str | Job, values: Mapping[str, float], *, step: int = 0
    ) -> dict[str, Metric]:
        """Record values of a job's metrics, also when it has ended; nothing else of the job changes.

        Args:
            job: the job.
            values: by name; a thousand at most.
            step: their place among values of the same names.

        Returns:
            Each of them as it stands: one of a higher step is not replaced.
        """
        address = f"jobs/{await self._id(job)}/metrics"
        drafts = [
            {"name": name, "value": written(float(value)), "step": step} for name, value in values.items()
        ]
        standing = await self._connection.ask(list[Metric], "POST", address, json=drafts)
        return {metric.name: metric for metric in standing}

    def results(self, experiment: str, **asked: Unpack[Questions]) -> AsyncIterator[Result]:
        """An experiment's results: one row a job, with parameters and metrics, the newest first unless sorted otherwise."""
        return read_pages(self._connection, Result, _address(experiment), _filter(asked) | {"limit": _PAGE})

    async def save_results(
        self,
        experiment: str,
        to: str | PathLike[str] = ".",
        *,
        format: TableFormat | None = None,  # noqa: A002 - as the gateway calls it
        **asked: Unpack[Questions],
    ) -> Path:
        """Save an experiment's results as a table, into a file or a folder; gives the file's path.

        Args:
            experiment: its name.
            to: where to; a file's ending says its format.
            format: the format, where no ending says it.
            asked: which results, in which order.

        Raises:
            ValueError: nothing says whether it is to be CSV or Parquet.
        """
        kind = format or Path(to).suffix.removeprefix(".")
        if kind not in {"csv", "parquet"}:
            raise ValueError(f"{to} does not say its format: end it with .csv or .parquet")
        params = _filter(asked) | {"format": kind}
        name = f"{experiment.replace('/', '_')}.{kind}"
        return await downloading.download(self._connection, _address(experiment), name, Path(to), params)


class DrivenResultCalls(Driven):
    """The calls of a `Client` that are about results."""

    _client: ResultCalls

    def metrics(self, job: str | Job) -> dict[str, Metric]:
        """A job's metrics by name, each as it stands: its last value by step."""
        return self._portal.run(self._client.metrics(job))

    def metric_history(self, job: str | Job, name: str) -> MetricHistory:
        """All values of a metric by step, and whether they are all that were logged."""
        return self._portal.run(self._client.metric_history(job, name))

    def post_metrics(
        self, job: str | Job, values: Mapping[str, float], *, step: int = 0
    ) -> dict[str, Metric]:
        """Record values of a job's metrics, also when it has ended; nothing else of the job changes."""
        return self._portal.run(self._client.post_metrics(job, values, step=step))

    def results(self, experiment: str, **asked: Unpack[Questions]) -> Iterator[Result]:
        """An experiment's results: one row a job, with parameters and metrics."""
        return self._portal.iterate(self._client.results(experiment, **asked))

    def save_results(
        self,
        experiment: str,
        to: str | PathLike[str] = ".",
        *,
        format: TableFormat | None = None,  # noqa: A002 - as the gateway calls it
        **asked: Unpack[Questions],
    ) -> Path:
        """Save an experiment's results as a CSV or Parquet table; gives the file's path."""
        return self._portal.run(self._client.save_results(experiment, to, format=format, **asked))


def _address(experiment: str) -> str:
    return f"experiments/{segment(experiment)}/results"


def _filter(asked: Questions) -> dict[str, Any]:
    states, where = asked.get("state", ()), asked.get("where", ())
    several = {
        "state": [JobState(one).value for one in ([states] if isinstance(states, str) else states)],
        "where": [where] if isinstance(where, str) else list(where),
    }
    return {name: plain(value) for name, value in given(asked).items()} | several
