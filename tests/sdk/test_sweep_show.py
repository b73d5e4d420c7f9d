"""A sweep's results from the command line: a table and a curve on a terminal, lines in a pipe, a picture in a file."""

import json
import re
import secrets
from pathlib import Path

import pytest

from tests.sdk.site import Site
from tests.sdk.test_terminal import on_terminal
from tiltyard import Client

HOSTILE = "\x1b]0;owned\x07\x1b[2J"
AXES = {"eps": [0.0, 0.1, 0.2], "label": ["fgm", HOSTILE]}


@pytest.fixture
def sweep(site: Site, client: Client, project: Path) -> str:
    """Six cells: four have told an accuracy, one has failed, and one is queued."""
    made = client.submit_sweep(project, axes=AXES, experiment=f"shown-{secrets.token_hex(4)}")
    for cell in [*client.sweep_cells(made.id)][:5]:
        attempt = site.claim(cell.job or "")
        if cell.number == 4:
            attempt.finish("failed", reason="exit_code", exit_code=1)
            continue
        eps = cell.values["eps"]
        assert isinstance(eps, float | int)
        attempt.report(
            {"kind": "metric", "data": {"name": "robust_accuracy", "value": 1 - 4 * eps, "step": 0}}
        )
        attempt.report({"kind": "metric", "data": {"name": "loss", "value": "NaN", "step": 0}})
        attempt.finish()
    yield made.id
    client.cancel_sweep(made.id)


def test_a_terminal_gets_a_header_a_table_a_curve_and_what_to_do_next(site: Site, sweep: str) -> None:
    shown = on_terminal(site, "sweep", "show", sweep[:8], COLUMNS="80", NO_COLOR="1")
    shown = re.sub("\x1b\\[[01]m", "", shown.replace("\r\n", "\n"))  # bold is no colour
    for text in (
        f"sweep {sweep}  running  of shown-", "grid of eps (3) x label (2): 6 cells", " 83%", "1 failed",
        "robust accuracy", "2 of 6 cells missing: 1 failed, 1 queued", "other metrics: loss (-y NAME)",
        f"tiltyard sweep plot {sweep[:8]} -o robust_accuracy.svg",
    ):  # fmt: skip
        assert text in shown
    assert re.search(r"^eps +fgm +\\x1b", shown, re.MULTILINE)
    assert re.search(r"^0\.1 +0\.6 +0\.6 *$", shown, re.MULTILINE)
    assert "● fgm" in shown
    assert "┤" in shown
    assert max(map(len, shown.split("\n"))) <= 80
    assert [mark for mark in ("\x1b", "\x07") if mark in shown] == []


def test_a_pipe_gets_a_line_a_point_and_a_program_gets_json(site: Site, sweep: str) -> None:
    points = site.run("sweep", "show", sweep, "-y", "robust_accuracy").stdout.splitlines()
    assert points[0] == "fgm\t0.0\t1\t1.0\t1.0\t1.0"
    assert len(points) == 4
    shown = json.loads(site.run("sweep", "show", sweep, "--json").stdout)
    assert (shown["sweep"]["id"], shown["curves"]["by"]) == (sweep, ["label"])
    assert site.run("sweep", "show", sweep, "-y", "loss").stdout == ""
    wrong = site.run("sweep", "show", sweep, "-y", "robust_acuracy", code=1).stderr
    assert "did you mean 'robust_accuracy'?" in wrong


def test_every_cell_is_there_for_who_asks(site: Site, sweep: str) -> None:
    rows = [line.split("\t") for line in site.run("sweep", "show", sweep, "--all").stdout.splitlines()]
    assert [row[0] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    assert rows[2][2:] == ["succeeded", "0.1", "fgm", "nan", "0.6"]
    assert rows[5][2:] == ["queued", "0.2", HOSTILE, "-", "-"]
    assert "\\x1b]0;owned" in on_terminal(site, "sweep", "show", sweep, "--all")


def test_a_picture_is_written_where_it_is_wanted(site: Site, sweep: str, tmp_path: Path) -> None:
    for form, magic in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        file = tmp_path / f"curve.{form}"
        assert site.run("sweep", "plot", sweep, "-o", str(file)).stdout == f"{file}\n"
        assert file.read_bytes().startswith(magic)
    assert "ends with .png or .svg" in site.run("sweep", "plot", sweep, "-o", "curve.pdf", code=1).stderr
