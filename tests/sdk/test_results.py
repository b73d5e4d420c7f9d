"""Results and metrics, as the client has them and the command line shows them."""

import asyncio
import csv
import io
import json
import math
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.sdk.site import Site
from tests.sdk.test_terminal import on_terminal
from tiltyard import AsyncClient, Client, NotFound, Refused
from tiltyard.cli.results import how_many_fit, table


@pytest.fixture
def ran(site: Site, client: Client, project: Path, request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """An experiment of its own, and the ids of its two jobs."""
    experiment, ids = f"results of {request.node.name}", []
    for eps, accuracy in ((0.1, 0.9), (0.3, "NaN")):
        job = client.submit(project, experiment=experiment, parameters={"eps": eps, "label": "=1+1"})
        attempt = site.claim(job.id)
        attempt.report(*(
            {"kind": "metric", "data": {"name": "val/acc", "value": value, "step": step}}
            for step, value in enumerate((0.5, accuracy))
        ))  # fmt: skip
        attempt.finish()
        ids.append(job.id)
    return experiment, ids


def test_a_client_reads_metrics_histories_and_results(client: Client, ran: tuple[str, list[str]]) -> None:
    experiment, (first, second) = ran
    assert (client.metrics(first)["val/acc"].value, client.metrics(first)["val/acc"].step) == (0.9, 1)
    history = client.metric_history(second[:12], "val/acc")
    assert [str(one.value) for one in history.items] == ["0.5", "nan"]
    assert history.complete
    rows = list(client.results(experiment, where=["metric.val/acc>0"], sort="-param.eps"))
    assert [(row.id, row.parameters["eps"], row.metrics["val/acc"]) for row in rows] == [(first, 0.1, 0.9)]
    assert [row.id for row in client.results(experiment, sort="-param.eps", state="succeeded")] == [
        second,
        first,
    ]
    with pytest.raises(NotFound, match="did you mean 'val/acc'"):
        client.metric_history(first, "val/ac")
    with pytest.raises(Refused, match="did you mean 'eps'"):
        list(client.results(experiment, sort="param.epz"))


def test_others_post_metrics_also_such_as_are_no_finite_numbers(
    client: Client, ran: tuple[str, list[str]]
) -> None:
    _, (job, _) = ran
    standing = client.post_metrics(job, {"certified": 0.25, "worst": -math.inf}, step=3)
    assert (standing["worst"].value, standing["worst"].step, standing["worst"].attempt) == (-math.inf, 3, 0)
    assert client.metrics(job)["certified"].value == 0.25


def test_the_asynchronous_client_reads_the_same(
    site: Site, ran: tuple[str, list[str]], tmp_path: Path
) -> None:
    experiment, ids = ran

    async def ask() -> None:
        async with AsyncClient(site.url, site.token) as client:
            assert [row.id async for row in client.results(experiment, sort="created")] == ids
            saved = await client.save_results(experiment, tmp_path / "all.parquet", sort="created")
            assert pyarrow.parquet.read_table(saved).column("param.eps").to_pylist() == [0.1, 0.3]
            with pytest.raises(ValueError, match=r"end it with \.csv or \.parquet"):
                await client.save_results(experiment, tmp_path / "all.txt")

    asyncio.run(ask())


def test_results_are_printed_saved_and_piped(site: Site, ran: tuple[str, list[str]], tmp_path: Path) -> None:
    experiment, (first, second) = ran
    lines = site.run("results", experiment, "--sort", "created").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == [first, second]
    assert lines[0].split("\t")[3:] == ["0.1", "0.9"], "what is the same in all jobs is left out"
    shown = json.loads(site.run("results", experiment, "-w", "param.eps>0.2", "--json").stdout)
    assert [(row["id"], row["metrics"]) for row in shown] == [(second, {"val/acc": "NaN"})]
    rows = list(csv.DictReader(io.StringIO(site.run("results", experiment, "--csv").stdout)))
    assert (rows[0]["metric.val/acc"], rows[0]["param.label"]) == ("NaN", "'=1+1")
    saved = site.run("results", experiment, "-o", str(tmp_path / "all.parquet")).stdout.strip()
    assert pyarrow.parquet.read_table(saved).num_rows == 2
    assert (
        "did you mean 'val/acc'" in site.run("results", experiment, "--sort", "metric.val/ac", code=1).stderr
    )
    site.run("results", experiment, "-o", str(tmp_path / "all.xls"), code=2)


def test_metrics_are_printed_as_they_stand_and_by_step(site: Site, ran: tuple[str, list[str]]) -> None:
    _, (first, second) = ran
    assert site.run("metrics", first[:12]).stdout == "val/acc\t0.9\t1\tattempt 1\n"
    steps = [line.split("\t")[:2] for line in site.run("metrics", second, "val/acc").stdout.splitlines()]
    assert steps == [["0", "0.5"], ["1", "NaN"]]
    assert json.loads(site.run("metrics", second, "val/acc", "--json").stdout)["complete"] is True
    assert "did you mean 'val/acc'" in site.run("metrics", second, "val/ac", code=1).stderr


def test_a_table_shows_what_differs_and_as_many_columns_as_fit(
    client: Client, ran: tuple[str, list[str]]
) -> None:
    columns, cells = table(list(client.results(ran[0])))
    assert columns == ["ID", "STATE", "RAN", "eps", "val/acc"]
    assert how_many_fit(columns, cells, 200) == 5
    assert how_many_fit(columns, cells, 43) == 4
    assert how_many_fit(columns, cells, 10) == 3


def test_on_a_terminal_what_has_no_room_is_named_and_no_name_drives_it(
    site: Site, client: Client, ran: tuple[str, list[str]]
) -> None:
    client.post_metrics(ran[1][0], {"[red]\x1b[2J": 1, "z" * 30: 2})
    shown = on_terminal(site, "results", ran[0])
    assert "[red]\\x1b[2J" in shown
    assert "\x1b[2J" not in shown
    assert "NaN" in shown
