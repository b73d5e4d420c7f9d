"""Results as a table: CSV for spreadsheets, Parquet for programs. Both are written page by page.

A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and runs it; what a job or a user wrote may
begin so, also behind blanks. In CSV, such text has an apostrophe before it; numbers are left as they are. Every cell is in
quotes, so that a spreadsheet that separates by another mark does not find a cell within one. Parquet and JSON have every
value as it is.
"""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tiltyard.wire.results import written
from tiltyard_orchestrator.storage.results.columns import Columns

CSV, PARQUET = "text/csv; charset=utf-8", "application/vnd.apache.parquet"
JOBS = {
    "id": "text", "state": "text", "reason": "text", "created_at": "moment", "started_at": "moment",
    "finished_at": "moment", "seconds": "number", "queue": "text", "entry_point": "text", "sweep": "text",
    "tags": "texts",
}  # fmt: skip
"""The columns of every table of jobs, and what each holds."""


class Row(Protocol):
    """What a table has rows of: attributes of the names of its first columns, parameters and metrics."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """By name."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """By name."""


Pages = AsyncIterator[Sequence[Row]]
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The latter are the same as wide characters."""
_BLANKS_THAT_SOME_PASS_OVER = ("\t", "\r", "\n")


async def as_csv(pages: Pages, columns: Columns, first: Mapping[str, str] = JOBS) -> AsyncIterator[bytes]:
    """The lines of a CSV file (RFC 4180, UTF-8): a heading, then the rows. What one does not have is empty."""
    yield _lines([heading(columns, first)])
    async for page in pages:
        yield _lines([_cell(value) for value in row(result, columns, first)] for result in page)


async def write_parquet(pages: Pages, columns: Columns, to: Path, first: Mapping[str, str] = JOBS) -> None:
    """Write a Parquet file, a row group a page. What a row does not have is null.

    Raises:
        ImportError: this gateway cannot.
    """
    schema, open_writer, batch = await asyncio.to_thread(_parquet, columns, first)
    writer = await asyncio.to_thread(open_writer, str(to), schema, compression="zstd")
    try:
        async for page in pages:
            if not page:
                continue
            await asyncio.to_thread(
                lambda rows: writer.write_batch(batch(rows, schema)), _typed(page, columns, first)
            )
    finally:
        await asyncio.to_thread(writer.close)


def heading(columns: Columns, first: Mapping[str, str] = JOBS) -> list[str]:
    """The names of a table's columns."""
    parameters, metrics = (
        (f"param.{name}" for name in columns.parameters),
        (f"metric.{name}" for name in columns.metrics),
    )
    return [*first, *parameters, *metrics]


def row(result: Row, columns: Columns, first: Mapping[str, str] = JOBS) -> list[Any]:
    """A result as a row below that heading; None where it has nothing."""
    fixed = [getattr(result, name) for name in first]
    parameters = [result.parameters.get(name) for name in columns.parameters]
    return [*fixed, *parameters, *(result.metrics.get(name) for name in columns.metrics)]


def _lines(rows: Iterable[Iterable[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    match value:
        case None | int():
            return "" if value is None else json.dumps(value)
        case float():
            return written(value)
        case str():
            return f"'{value}" if _is_run(value) else str(value)
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return value.isoformat()


def _is_run(text: str) -> bool:
    return text.startswith(_BLANKS_THAT_SOME_PASS_OVER) or _seen(text).startswith(_RUN_BY_SPREADSHEETS)


def _seen(text: str) -> str:
    """What is left of a text without what nobody sees at its beginning."""
    return next((text[i:] for i, one in enumerate(text) if not one.isspace() and one.isprintable()), "")


def _parquet(
    columns: Columns, first: Mapping[str, str]
) -> tuple[Any, Callable[..., Any], Callable[..., Any]]:
    import pyarrow as pa  # noqa: PLC0415 - half a second, and only for who asks
    from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

    kinds = {
        "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string(),
        "moment": pa.timestamp("us", tz="UTC"), "texts": pa.list_(pa.string()),
    }  # fmt: skip
    fields = [pa.field(name, kinds[kind]) for name, kind in first.items()]
    fields += [pa.field(f"param.{name}", kinds[kind]) for name, kind in columns.parameters.items()]
    fields += [pa.field(f"metric.{name}", pa.float64()) for name in columns.metrics]
    return pa.schema(fields), ParquetWriter, lambda data, schema: pa.record_batch(data, schema=schema)


def _typed(page: Sequence[Row], columns: Columns, first: Mapping[str, str]) -> list[list[Any]]:
    """A page, column by column."""
    names = [*columns.parameters]
    found = [list(column) for column in zip(*(row(result, columns, first) for result in page), strict=True)]
    for number, name in enumerate(names, start=len(first)):
        match columns.parameters[name]:
            case "text":
                found[number] = [_words(value) for value in found[number]]
            case "number":
                found[number] = [None if value is None else float(value) for value in found[number]]
            case _:
                pass
    return found


def _words(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
