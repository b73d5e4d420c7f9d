"""What the cells of a sweep came to: tidy rows, one a cell, as pages or as a whole table."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from tiltyard.wire.model import Json, Page
from tiltyard.wire.sweep_results import CellResult
from tiltyard.wire.sweeps import Sweep
from tiltyard_api.auth import User
from tiltyard_api.http.paging import Cursor, Limit
from tiltyard_api.http.problems import responses
from tiltyard_api.parts import Here, Parts
from tiltyard_api.results.routes import PAGE, TABLES, AsFormat, accepted, as_file
from tiltyard_api.sweeps.routes import SweepId, known_sweep, named_sweep
from tiltyard_orchestrator.storage.results.plotted import plotted_sweep, told_metrics
from tiltyard_orchestrator.storage.sweeps.results import columns_of_cells, sweep_results

routes = APIRouter(tags=["results"])

CELLS = {"number": "integer", "job": "text", "state": "text", "reused": "boolean"}
Parameters = Annotated[
    bool, Query(description="Whether all parameters of each job are told, beside the axes.")
]


@dataclass(frozen=True, kw_only=True)
class _Row:
    """A cell as a row of a table."""

    number: int
    job: str | None
    state: str | None
    reused: bool
    parameters: dict[str, Json]
    metrics: dict[str, float]


@routes.get(
    "/sweeps/{sweep}/results",
    operation_id="list_sweep_results",
    response_model=Page[CellResult],
    responses={**TABLES, **responses(404, 409)},
)
async def list_sweep_results(
    sweep: SweepId,
    here: Here,
    _user: User,
    parameters: Parameters = False,
    cursor: Cursor = None,
    limit: Limit = 100,
    format: AsFormat = None,  # noqa: A002 - as callers know it
    accept: Annotated[str, Header()] = "",
) -> Any:
    """One row a cell, in their order, with the metrics of its job as they stand. As pages, or whole as CSV or Parquet."""
    if (kind := format or accepted(accept)) == "json":
        named = await named_sweep(here, sweep)
        async with here.database.transaction() as session:
            return await sweep_results(
                session, named.id, axes=named.axes, parameters=parameters, cursor=cursor, limit=limit
            )
    found = await known_sweep(here, sweep)
    async with here.database.transaction() as session:
        metrics = await told_metrics(session, await plotted_sweep(session, found))
        columns = await columns_of_cells(session, found, parameters=parameters, metrics=metrics)
    pages = _pages(here, found, parameters=parameters)
    return await as_file(here, kind, pages, columns, name=f"sweep-{found.id}", first=CELLS)


async def _pages(here: Parts, sweep: Sweep, *, parameters: bool) -> AsyncIterator[Sequence[_Row]]:
    """All cells, each page in a transaction of its own: a reader may take as long as it likes."""
    axes = [axis.parameter for axis in sweep.axes]
    cursor: str | None = None
    while True:
        async with here.database.transaction() as session:
            page = await sweep_results(
                session, sweep.id, axes=axes, parameters=parameters, cursor=cursor, limit=PAGE
            )
        yield [_row(cell) for cell in page.items]
        if (cursor := page.next) is None:
            return


def _row(cell: CellResult) -> _Row:
    return _Row(
        number=cell.number,
        job=cell.job,
        state=cell.state.value if cell.state else None,
        reused=cell.reused,
        parameters=(cell.parameters or {}) | cell.values,
        metrics=cell.metrics,
    )
