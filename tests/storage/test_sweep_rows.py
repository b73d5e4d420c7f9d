"""The rows of a sweep go into few statements, none of them too large for PostgreSQL."""

from typing import Any

from tiltyard_orchestrator.storage.sweeps.rows import CHUNK, CHUNK_BYTES, chunks


def records(count: int, **parameters: Any) -> list[dict[str, Any]]:
    return [{"number": number, "parameters": parameters, "command": "python"} for number in range(count)]


def test_short_rows_go_into_as_few_statements_as_may_be() -> None:
    assert [len(chunk) for chunk in chunks(records(CHUNK + 1, eps=0.1))] == [CHUNK, 1]
    assert list(chunks([])) == []


def test_long_rows_go_into_statements_of_a_few() -> None:
    for long in ("x" * (CHUNK_BYTES // 4), [1] * (CHUNK_BYTES // 48)):
        written = records(10, note=long)
        told = list(chunks(written))
        assert [len(chunk) for chunk in told] == [3, 3, 3, 1]
        assert [row for chunk in told for row in chunk] == written


def test_a_row_that_is_too_long_by_itself_is_not_left_out() -> None:
    assert [len(chunk) for chunk in chunks(records(2, note="x" * CHUNK_BYTES))] == [1, 1]
