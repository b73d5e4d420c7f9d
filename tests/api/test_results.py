"""Results of an experiment over REST: pages, filters, CSV and Parquet."""

import csv
import io
from typing import Any

import pyarrow.parquet
import pytest

from tests.api.conftest import Gateway, packed
from tests.api.test_metrics import metric
from tiltyard_api.results.tabular import _cell, _lines

PROJECT = """
name: probe
entry_points:
  main:
    parameters:
      eps: {type: float, default: 0.1}
      note: {type: string, default: none}
    command: python attack.py --eps {eps} --note {note}
"""


@pytest.fixture
async def three(gateway: Gateway) -> list[str]:
    """Three jobs, each with its accuracy; the last has not started."""
    archive = await gateway.upload(packed(MLproject=PROJECT))
    ids = []
    for eps, note, accuracy in ((0.1, "=cmd|' /C calc'!A0", 0.9), (0.2, "plain, with a comma", "NaN")):
        claim = await gateway.running(
            archive=archive, parameters={"eps": eps, "note": note}, tags=["-t", "u"]
        )
        await gateway.report(claim, metric("acc", accuracy), metric("val/top 5", -0.5))
        await gateway.finish(claim)
        ids.append(claim.job)
    ids.append((await gateway.submit(archive=archive)).id)
    return ids


async def asked(gateway: Gateway, status: int = 200, **params: Any) -> Any:
    answer = await gateway.user.get("/experiments/digits/results", params=params)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_results_are_one_row_a_job_filtered_sorted_and_paged(
    gateway: Gateway, three: list[str]
) -> None:
    everything = (await asked(gateway))["items"]
    assert [row["id"] for row in everything] == three[::-1]
    assert everything[-1]["parameters"] == {"eps": 0.1, "note": "=cmd|' /C calc'!A0"}
    assert everything[-1]["metrics"] == {"acc": 0.9, "val/top 5": -0.5}
    assert everything[1]["metrics"]["acc"] == "NaN"
    assert everything[-1]["seconds"] >= 0
    found = await asked(gateway, where=["metric.val/top 5<0", "param.eps>0.1"], state="succeeded")
    assert [row["id"] for row in found["items"]] == [three[1]]
    first = await asked(gateway, sort="-param.eps", limit=2)
    rest = await asked(gateway, sort="-param.eps", limit=2, cursor=first["next"])
    assert [row["parameters"]["eps"] for row in first["items"] + rest["items"]] == [0.2, 0.1, 0.1]
    assert rest["next"] is None


async def test_what_cannot_be_answered_says_why(gateway: Gateway, three: list[str]) -> None:
    for params, code, words in (
        ({"where": "metric.ac<1"}, "unknown_metric", "did you mean 'acc'"),
        ({"sort": "param.esp"}, "unknown_parameter", "did you mean 'eps'"),
        ({"where": "acc<1"}, "bad_condition", "write metric.NAME"),
        ({"where": "metric.acc<high"}, "bad_condition", "is no number"),
        ({"sort": "acc"}, "bad_order", "write metric.NAME"),
        ({"cursor": "nonsense"}, "bad_cursor", "not one that a list gave out"),
    ):
        problem = await asked(gateway, 422, **params)
        assert problem["code"] == code
        assert words in problem["errors"][0]["detail"]
        assert problem["errors"][0]["pointer"] in {"?where", "?sort", "?cursor"}
    missing = await gateway.user.get("/experiments/none/results")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_experiment")


@pytest.mark.parametrize("how", [{"params": {"format": "csv"}}, {"headers": {"Accept": "text/csv"}}])
async def test_csv_has_every_job_and_nothing_that_a_spreadsheet_runs(
    gateway: Gateway, three: list[str], how: dict[str, Any]
) -> None:
    answer = await gateway.user.get("/experiments/digits/results", **how)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="digits.csv"')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["id"] for row in rows] == three[::-1]
    assert [row["param.eps"] for row in rows] == ["0.1", "0.2", "0.1"]
    assert [row["param.note"] for row in rows] == ["none", "plain, with a comma", "'=cmd|' /C calc'!A0"]
    assert [row["metric.acc"] for row in rows] == ["", "NaN", "0.9"]
    assert [row["metric.val/top 5"] for row in rows] == ["", "-0.5", "-0.5"], "a number is no formula"
    assert rows[-1]["tags"] == '["-t", "u"]'
    assert rows[-1]["state"] == "succeeded"


@pytest.mark.parametrize("text", ["=1", " =1", "\u00a0+1", "\n-1", "\u200b@x", "\t=1", "\uff1d1"])
def test_a_formula_is_found_behind_blanks(text: str) -> None:
    assert _cell(text) == f"'{text}"


def test_no_cell_holds_another_for_who_separates_by_another_mark() -> None:
    assert _lines([["a;=1+1", "0.5", 'say "x"', ""]]) == b'"a;=1+1","0.5","say ""x""",""\r\n'


async def test_parquet_has_every_job_with_numbers_as_numbers(
    gateway: Gateway, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiltyard_api.results.routes.PAGE", 2)
    answer = await gateway.user.get(
        "/experiments/digits/results", params={"format": "parquet", "sort": "created"}
    )
    assert answer.status_code == 200, answer.text
    table = pyarrow.parquet.read_table(io.BytesIO(answer.content))
    assert table.column("id").to_pylist() == three
    assert table.column("param.eps").to_pylist() == [0.1, 0.2, 0.1]
    assert table.column("param.note").to_pylist()[0] == "=cmd|' /C calc'!A0"
    assert repr(table.column("metric.acc").to_pylist()) == "[0.9, nan, None]"
    assert table.column("tags").to_pylist() == [["-t", "u"], ["-t", "u"], []]
    assert table.column("started_at").to_pylist()[2] is None
    assert list(gateway.parts.spool.glob("*.parquet")) == [], "nothing of it stays behind"


async def test_a_table_of_an_experiment_without_jobs_has_its_heading(gateway: Gateway) -> None:
    await gateway.user.post("/experiments", json={"name": "empty"})
    for kind, begins in (("csv", b'"id","state",'), ("parquet", b"PAR1")):
        answer = await gateway.user.get("/experiments/empty/results", params={"format": kind})
        assert answer.content.startswith(begins)
    assert (await gateway.user.get("/experiments/empty/results")).json() == {"items": [], "next": None}
