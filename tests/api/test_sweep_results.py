"""The rows of a sweep's results: one a cell, in the order of the cells, whatever its job came to."""

import csv
import io
import math
from pathlib import Path
from typing import Any

from pyarrow.parquet import read_table

from tests.api.conftest import Gateway
from tests.api.sweeps import SWEEP, swept


async def pages(gateway: Gateway, path: str, **params: Any) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = await gateway.user.get(path, params=params | more)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        cursor = answer.json()["next"]
        if cursor is None:
            return found


async def test_results_are_a_row_a_cell_page_after_page(gateway: Gateway) -> None:
    await swept(gateway, states={1: "failed", 2: "queued", 3: "removed"})
    read = await pages(gateway, f"/sweeps/{SWEEP[:8]}/results", limit=7)
    assert [len(page) for page in read] == [7, 7, 4]
    rows = [row for page in read for row in page]
    assert [row["number"] for row in rows] == list(range(18))
    assert list(rows[4]["values"].items()) == [("eps", 0), ("attack", "pgd"), ("seed", 1)]
    assert rows[4]["metrics"] == {"clean_accuracy": 1.0, "queries": 100.0, "robust_accuracy": 1.0}
    assert [(row["state"], row["metrics"]) for row in rows[1:3]] == [("failed", {}), ("queued", {})]
    assert (rows[3]["job"], rows[3]["state"]) == (None, None)
    assert rows[0]["parameters"] is None


async def test_all_parameters_are_there_for_who_asks(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    (rows,) = await pages(gateway, f"/sweeps/{sweep}/results", parameters=True)
    assert rows[0]["parameters"] == {"eps": 0, "attack": "fgm", "seed": 0}


async def test_what_is_no_number_in_json_is_kept(gateway: Gateway) -> None:
    ends = [math.nan, math.inf, -math.inf]
    sweep = await swept(gateway, {"at": [0, 1, 2]}, lambda values: {"loss": ends[values["at"]]})
    (rows,) = await pages(gateway, f"/sweeps/{sweep}/results")
    assert [row["metrics"]["loss"] for row in rows] == ["NaN", "Infinity", "-Infinity"]


async def test_what_is_not_there_or_not_a_cursor_is_said(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    assert (await gateway.user.get("/sweeps/feedfeed/results")).json()["code"] == "no_such_sweep"
    bad = await gateway.user.get(f"/sweeps/{sweep}/results", params={"cursor": "bogus"})
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


async def test_a_whole_sweep_is_a_csv_file(gateway: Gateway) -> None:
    sweep = await swept(gateway, states={1: "failed", 2: "removed"})
    answer = await gateway.user.get(f"/sweeps/{sweep}/results", params={"format": "csv", "limit": 2})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"sweep-{sweep}.csv" in answer.headers["content-disposition"]
    assert answer.text.startswith('"number","job",')
    heading, first, second, third, *rest = csv.reader(io.StringIO(answer.text))
    assert ",".join(heading) == (
        "number,job,state,reused,param.eps,param.attack,param.seed,"
        "metric.clean_accuracy,metric.queries,metric.robust_accuracy"
    )
    assert first[2:] == ["succeeded", "false", "0", "fgm", "0", "1.0", "10.0", "0.99"]
    assert second[2:] == ["failed", "false", "0", "fgm", "1", "", "", ""]
    assert third[:7] == ["2", "", "", "false", "0", "fgm", "2"]
    assert len(rest) == 15


async def test_a_whole_sweep_is_a_parquet_file(gateway: Gateway, tmp_path: Path) -> None:
    ends = [math.nan, math.inf, 0.5]
    sweep = await swept(gateway, {"at": [0, 1, 2]}, lambda values: {"loss": ends[values["at"]]})
    answer = await gateway.user.get(
        f"/sweeps/{sweep}/results",
        params={"parameters": True},
        headers={"Accept": "application/vnd.apache.parquet"},
    )
    file = tmp_path / "sweep.parquet"
    file.write_bytes(answer.content)
    table = read_table(file)
    assert table.column_names == ["number", "job", "state", "reused", "param.at", "metric.loss"]
    assert table["number"].to_pylist() == table["param.at"].to_pylist() == [0, 1, 2]
    assert table["metric.loss"].to_pylist()[1:] == [math.inf, 0.5]
    assert math.isnan(table["metric.loss"].to_pylist()[0])
