"""What a client asks of a sweep's results: rows, curves and pictures; and pictures of an experiment."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, Unpack

from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import segment
from tiltyard.client.errors import TiltyardError
from tiltyard.client.pages import read_pages
from tiltyard.wire.curves import Curves
from tiltyard.wire.sweep_results import CellResult

FORMS = (".png", ".svg")
_PAGE = 1000


class View(TypedDict, total=False):
    """What is drawn; what is not given is chosen by the data."""

    x: str | None
    """The parameter along the lines."""
    y: str | None
    """The metric."""
    by: Sequence[str] | None
    """Parameters with a line for each of their values; none at all: one line."""
    over: Sequence[str] | None
    """Parameters to average over; each of the others then has its lines."""
    heatmap: bool


class Look(View, total=False):
    """The same, and how the picture looks."""

    width: int | None
    height: int | None
    """In pixels."""
    title: str | None


class NoPicture(TiltyardError):
    """A file whose name says no form that a picture can have."""


class SweepResultCalls(Calls):
    """The calls of an `AsyncClient` that are about what sweeps came to."""

    def sweep_results(self, sweep: str, *, parameters: bool = False) -> AsyncIterator[CellResult]:
        """The cells of a sweep in their order, with their metrics as they stand; with `parameters`, with all of those."""
        asked = {"parameters": parameters, "limit": _PAGE}
        return read_pages(self._connection, CellResult, f"sweeps/{segment(sweep)}/results", asked)

    async def sweep_curves(self, sweep: str, **view: Unpack[View]) -> Curves:
        """A metric of a sweep over a parameter, with a line for each value of another.

        Raises:
            Refused: there is no such metric or parameter, or (`code` is `no_results`) nothing to draw yet.
        """
        return await self._connection.ask(
            Curves, "GET", f"sweeps/{segment(sweep)}/curves", params=_query(view)
        )

    async def sweep_plot(self, sweep: str, to: str | PathLike[str], **look: Unpack[Look]) -> Path:
        """Draw the same into a file, whose name ends with `.png` or `.svg`; gives its path."""
        return await self._plot(f"sweeps/{segment(sweep)}", Path(to), look)

    async def experiment_curves(self, experiment: str, **view: Unpack[View]) -> Curves:
        """A metric of all jobs of an experiment over one of their parameters."""
        path = f"experiments/{segment(experiment)}/curves"
        return await self._connection.ask(Curves, "GET", path, params=_query(view))

    async def experiment_plot(self, experiment: str, to: str | PathLike[str], **look: Unpack[Look]) -> Path:
        """Draw the same into a file, whose name ends with `.png` or `.svg`; gives its path."""
        return await self._plot(f"experiments/{segment(experiment)}", Path(to), look)

    async def _plot(self, path: str, to: Path, look: Look) -> Path:
        form = to.suffix.lower()
        if form not in FORMS:
            raise NoPicture(f"{to}: a picture's name ends with {' or '.join(FORMS)}.")
        answer = await self._connection.send("GET", f"{path}/plot{form}", params=_query(look))
        await asyncio.to_thread(to.write_bytes, answer.content)
        return to


class DrivenSweepResultCalls(Driven):
    """The same for a `Client`."""

    _client: SweepResultCalls

    def sweep_results(self, sweep: str, *, parameters: bool = False) -> Iterator[CellResult]:
        """The cells of a sweep in their order, with their metrics as they stand; with `parameters`, with all of those."""
        return self._portal.iterate(self._client.sweep_results(sweep, parameters=parameters))

    def sweep_curves(self, sweep: str, **view: Unpack[View]) -> Curves:
        """A metric of a sweep over a parameter, with a line for each value of another."""
        return self._portal.run(self._client.sweep_curves(sweep, **view))

    def sweep_plot(self, sweep: str, to: str | PathLike[str], **look: Unpack[Look]) -> Path:
        """Draw the same into a file, whose name ends with `.png` or `.svg`; gives its path."""
        return self._portal.run(self._client.sweep_plot(sweep, to, **look))

    def experiment_curves(self, experiment: str, **view: Unpack[View]) -> Curves:
        """A metric of all jobs of an experiment over one of their parameters."""
        return self._portal.run(self._client.experiment_curves(experiment, **view))

    def experiment_plot(self, experiment: str, to: str | PathLike[str], **look: Unpack[Look]) -> Path:
        """Draw the same into a file, whose name ends with `.png` or `.svg`; gives its path."""
        return self._portal.run(self._client.experiment_plot(experiment, to, **look))


def _query(given: View | Look) -> dict[str, Any]:
    asked: dict[str, Any] = dict(given)
    if asked.get("by") is not None:
        asked["by"] = list(asked["by"]) or [""]
    return asked | {"kind": "heatmap" if asked.pop("heatmap", False) else None}
