"""Results of an experiment: a row a job, with parameters and final metrics, filtered, sorted and paged, or as a table."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response, StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import JobState, Page, ProblemItem, Result
from tiltyard_api.auth import User
from tiltyard_api.experiments import Name as ExperimentName
from tiltyard_api.http.paging import Cursor, Limit, Moment, Name
from tiltyard_api.http.problems import invalid, not_found, responses
from tiltyard_api.parts import Here, Parts
from tiltyard_api.results import tabular
from tiltyard_api.transfer.download import HARMLESS, attachment
from tiltyard_orchestrator.domain.questions import (
    MOST_CONDITIONS,
    NEWEST_FIRST,
    Kind,
    Unreadable,
    read_condition,
    read_order,
)
from tiltyard_orchestrator.storage.results.columns import Columns, columns_of
from tiltyard_orchestrator.storage.results.names import find_experiment, unknown_name
from tiltyard_orchestrator.storage.results.read import Wanted, conditions, list_results

routes = APIRouter(tags=["results"])

PAGE = 1_000
CHUNK = 1 << 18
Format = Literal["json", "csv", "parquet"]
Read = TypeVar("Read")
TABLES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            tabular.PARQUET: {"schema": {"type": "string", "contentMediaType": tabular.PARQUET}},
        }
    }
}
Where = Annotated[
    list[Annotated[str, Query(max_length=1_000)]] | None,
    Query(
        max_length=MOST_CONDITIONS,
        description="Conditions that all hold: `metric.accuracy<0.5`, `param.eps>=0.1`, `param.attack=fgm`.",
    ),
]
Sort = Annotated[
    str | None,
    Query(
        max_length=1_000,
        description="`metric.NAME`, `param.NAME`, `created`, `finished` or `seconds`, with `-` for the highest first.",
    ),
]
AsFormat = Annotated[
    Format | None,
    Query(description="Before what `Accept` says. CSV and Parquet have all rows, whatever `limit` is."),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The question that a query string puts."""

    state: Annotated[list[JobState] | None, Query()] = None
    tag: Name = None
    entry_point: Name = None
    sweep: Name = None
    created_after: Moment = None
    created_before: Moment = None
    where: Where = None
    sort: Sort = None


@routes.get(
    "/experiments/{name}/results",
    operation_id="list_results",
    response_model=Page[Result],
    responses={**TABLES, **responses(404)},
)
async def list_some_results(
    name: ExperimentName,
    here: Here,
    _user: User,
    asked: Annotated[Asked, Depends()],
    cursor: Cursor = None,
    limit: Limit = 100,
    format: AsFormat = None,  # noqa: A002 - as callers know it
    accept: Annotated[str, Header()] = "",
) -> Any:
    """One row a job: its parameters, its metrics as they stand, how it ended. As pages, or whole as CSV or Parquet."""
    async with here.database.transaction() as session:
        wanted = await _wanted(session, name, asked)
        if (kind := format or accepted(accept)) == "json":
            return await list_results(session, wanted, cursor=cursor, limit=limit)
        columns = await columns_of(session, *conditions(wanted))
    pages = _pages(here, replace(wanted, until=columns.at))
    return await as_file(here, kind, pages, columns, name=name)


async def as_file(
    here: Parts,
    kind: Literal["csv", "parquet"],
    pages: tabular.Pages,
    columns: Columns,
    *,
    name: str,
    first: Mapping[str, str] = tabular.JOBS,
) -> Response:
    """A whole table, as a file of this name."""
    headers = HARMLESS | {"Content-Disposition": attachment(f"{name}.{kind}")}
    del headers["Accept-Ranges"]
    if kind == "csv":
        lines = tabular.as_csv(pages, columns, first)
        return StreamingResponse(lines, media_type=tabular.CSV, headers=headers)
    return await _parquet(here, pages, columns, headers, first)


async def _wanted(session: AsyncSession, name: str, asked: Asked) -> Wanted:
    """The question, understood.

    Raises:
        Refused: there is no such experiment, or something is said that cannot be understood, or nobody has.
    """
    experiment = await find_experiment(session, name)
    if experiment is None:
        raise not_found("experiment", name)
    where = [_read(read_condition, text, "?where", "bad_condition") for text in asked.where or ()]
    order = NEWEST_FIRST if asked.sort is None else _read(read_order, asked.sort, "?sort", "bad_order")
    named: list[tuple[Kind, str, str]] = [(one.kind, one.name, "?where") for one in where]
    if order.kind == "metric" or order.kind == "param":  # noqa: PLR1714 - mypy follows no set
        named.append((order.kind, order.name, "?sort"))
    wrong = []
    for kind, one, pointer in dict.fromkeys(named):
        if detail := await unknown_name(session, experiment, name, kind, one):
            code = "unknown_metric" if kind == "metric" else "unknown_parameter"
            wrong.append(ProblemItem(pointer=pointer, code=code, detail=detail))
    if wrong:
        raise invalid(wrong, wrong[0].code)
    return Wanted(
        experiment=experiment,
        states=asked.state or (),
        tag=asked.tag,
        entry_point=asked.entry_point,
        sweep=asked.sweep,
        created_after=asked.created_after,
        created_before=asked.created_before,
        where=where,
        order=order,
    )


def _read(read: Callable[[str], Read], text: str, pointer: str, code: str) -> Read:
    try:
        return read(text)
    except Unreadable as error:
        raise invalid([ProblemItem(pointer=pointer, code=code, detail=str(error))], code) from error


def accepted(accept: str) -> Format:
    """The first of our formats that `Accept` names."""
    for part in accept.split(","):
        match part.split(";")[0].strip().lower():
            case "text/csv":
                return "csv"
            case tabular.PARQUET:
                return "parquet"
            case "application/json" | "*/*":
                break
    return "json"


async def _pages(here: Parts, wanted: Wanted) -> AsyncIterator[Sequence[Result]]:
    """All results, each page in a transaction of its own: a reader may take as long as it likes."""
    cursor: str | None = None
    while True:
        async with here.database.transaction() as session:
            page = await list_results(session, wanted, cursor=cursor, limit=PAGE)
        yield page.items
        if (cursor := page.next) is None:
            return


async def _parquet(
    here: Parts, pages: tabular.Pages, columns: Columns, headers: dict[str, str], first: Mapping[str, str]
) -> Response:
    # Its end says where everything is: it is whole before any of it is sent.
    file = tempfile.NamedTemporaryFile(dir=here.spool, suffix=".parquet")  # noqa: SIM115 - it is sent after we return
    try:
        await tabular.write_parquet(pages, columns, Path(file.name), first)
    except BaseException:
        file.close()
        raise

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    return StreamingResponse(chunks(), media_type=tabular.PARQUET, headers=headers)
