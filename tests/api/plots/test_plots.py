"""Pictures of sweeps: what they show, what they refuse, and that no label of them does anything."""

import asyncio
import math
import struct
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import update
from sqlmodel import col

from tests.api.conftest import Gateway
from tests.api.sweeps import swept
from tiltyard_orchestrator.storage.tables import MetricRow

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: bytes) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


async def problem(gateway: Gateway, path: str, status: int, **params: Any) -> dict[str, Any]:
    answer = await gateway.user.get(path, params=params)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    return dict(answer.json())


async def test_a_sweep_is_drawn_as_a_curve_with_labels_lines_and_what_is_missing(gateway: Gateway) -> None:
    sweep = await swept(
        gateway, states={4: "failed", 5: "queued", 6: "removed"}, description="Digits\nunder attack"
    )
    answer = await gateway.user.get(f"/sweeps/{sweep}/plot.svg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    shown = texts(answer.content)
    foot = (
        "mean over seed, n = 1 to 3 · band: 95 % interval of the mean; smallest to largest where there are two · "
        "3 of 18 cells missing: 1 failed, 1 queued, 1 removed"
    )
    assert " ".join(shown).endswith(foot)
    for text in (
        "Digits",
        "eps: Largest change of a pixel (Linf)",
        "robust accuracy",
        "attack",
        "fgm",
        "pgd",
        "0.1",
    ):
        assert text in shown


async def test_a_png_has_the_size_that_was_asked_for(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    answer = await gateway.user.get(f"/sweeps/{sweep}/plot.png", params={"width": 640, "height": 400})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert struct.unpack(">II", answer.content[16:24]) == (640, 400)


async def test_the_numbers_of_a_picture_can_be_had_without_it(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    curves = (await gateway.user.get(f"/sweeps/{sweep}/curves")).json()
    assert (curves["x"], curves["y"], curves["by"], curves["over"]) == (
        "eps",
        "robust_accuracy",
        ["attack"],
        ["seed"],
    )
    assert curves["axes"] == ["eps", "attack", "seed"]
    assert curves["metrics"] == ["clean_accuracy", "queries", "robust_accuracy"]
    point = curves["lines"][1]["points"][2]
    assert (point["x"], point["n"]) == (0.2, 3)
    assert (point["mean"], point["high"]) == pytest.approx((0.6, 0.6 + 4.302653 * 0.01 / math.sqrt(3)))


async def test_what_is_asked_for_is_drawn(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    asked = {"x": "seed", "y": "queries", "by": ["eps", "attack"], "title": ""}
    shown = texts((await gateway.user.get(f"/sweeps/{sweep}/plot.svg", params=asked)).content)
    assert {"seed", "queries", "eps=0.1, attack=pgd"} <= set(shown)
    assert "digits" not in shown
    alone = (await gateway.user.get(f"/sweeps/{sweep}/curves", params={"by": ""})).json()
    assert (len(alone["lines"]), alone["over"]) == (1, ["attack", "seed"])


async def test_two_axes_make_a_heatmap_with_a_number_in_each_field(gateway: Gateway) -> None:
    sweep = await swept(gateway, states={0: "failed", 1: "failed", 2: "failed"})
    answer = await gateway.user.get(f"/sweeps/{sweep}/plot.svg", params={"kind": "heatmap"})
    shown = texts(answer.content)
    assert {"attack", "fgm", "pgd", "robust accuracy", "0.60", "0.80", "0.90"} <= set(shown)
    numbers = (await gateway.user.get(f"/sweeps/{sweep}/curves", params={"kind": "heatmap"})).json()
    assert [len(line["points"]) for line in numbers["lines"]] == [2, 3]
    assert (await gateway.user.get(f"/sweeps/{sweep}/plot.png", params={"kind": "heatmap"})).is_success


async def test_the_numbers_of_a_heatmap_of_small_values_differ(gateway: Gateway) -> None:
    axes = {"eps": [0.1, 0.2], "attack": ["fgm", "pgd"]}
    sweep = await swept(gateway, axes, lambda values: {"loss": values["eps"] ** 4})
    answer = await gateway.user.get(f"/sweeps/{sweep}/plot.svg", params={"kind": "heatmap"})
    assert {"0.0001", "0.0016"} <= set(texts(answer.content))


async def test_every_line_is_in_the_legend_however_it_is_called(gateway: Gateway) -> None:
    axes = {"eps": [0.1, 0.2], "attack": ["fgm", "_hidden", "__"]}
    sweep = await swept(gateway, axes, lambda values: {"loss": values["eps"]})
    for asked in ({}, {"x": "attack", "by": "eps"}, {"width": "320"}):
        shown = texts((await gateway.user.get(f"/sweeps/{sweep}/plot.svg", params=asked)).content)
        assert {"fgm", "_hidden", "__"} <= set(shown), asked


async def test_a_sweep_of_one_cell_is_a_point(gateway: Gateway) -> None:
    sweep = await swept(gateway, {"eps": [0.1]}, lambda _: {"robust_accuracy": 0.5})
    curves = (await gateway.user.get(f"/sweeps/{sweep}/curves")).json()
    assert (curves["x"], [point["mean"] for point in curves["lines"][0]["points"]]) == ("eps", [0.5])
    for form in ("svg", "png"):
        assert (await gateway.user.get(f"/sweeps/{sweep}/plot.{form}")).status_code == 200


async def test_hostile_names_are_text_and_nothing_else(gateway: Gateway) -> None:
    hostile = [
        "<script>alert(1)</script>",
        "$\\frac{1}{0}$ $",
        "a\x1b]0;owned\x07\u202e",
        "]]>&\"'",
        "中文 \U0001f600",
    ]
    axes = {"eps": [0.1, 0.2], "attack": hostile}
    sweep = await swept(gateway, axes, lambda values: {"a$x_1$": values["eps"]})
    for form in ("svg", "png"):
        answer = await gateway.user.get(f"/sweeps/{sweep}/plot.{form}", params={"title": "<b>$\\bad{$"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        if form == "svg":
            kinds = {element.tag.removeprefix(SVG) for element in ET.fromstring(answer.content).iter()}
            assert kinds.isdisjoint({"script", "a", "foreignObject", "image", "b"})
            assert {"<script>alert(1)</script>", "$\\frac{1}{0}$ $", "<b>$\\bad{$"} <= set(
                texts(answer.content)
            )


async def test_a_picture_is_drawn_in_whatever_size_may_be_asked_for(gateway: Gateway) -> None:
    axes = {
        "eps": [0.1, 1e300],
        "attack": [f"an attack of a very long name, number {number}" for number in range(20)],
    }
    sweep = await swept(
        gateway, axes, lambda values: {"loss": 1e-300 / values["eps"]}, description="long " * 200
    )
    for width, height in ((320, 320), (4000, 320), (320, 4000)):
        asked = {"width": width, "height": height, "by": "attack"}
        for kind in ("curve", "heatmap"):
            answer = await gateway.user.get(f"/sweeps/{sweep}/plot.svg", params=asked | {"kind": kind})
            assert answer.status_code == 200, (width, height, kind, answer.text)


async def test_mistakes_are_told_with_what_was_meant(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    wrong = await problem(gateway, f"/sweeps/{sweep}/plot.png", 422, y="robust_acuracy")
    assert (wrong["errors"][0]["pointer"], wrong["errors"][0]["code"]) == ("?y", "unknown_metric")
    assert "did you mean 'robust_accuracy'?" in wrong["detail"]
    wrong = await problem(gateway, f"/sweeps/{sweep}/plot.svg", 422, x="epz", by="atack")
    assert [one["pointer"] for one in wrong["errors"]] == ["?x", "?by"]
    for given in ({"width": 10}, {"kind": "cake"}, {"height": 100_000}):
        await problem(gateway, f"/sweeps/{sweep}/plot.png", 422, **given)
    await problem(gateway, f"/sweeps/{sweep}/plot.gif", 422)
    assert (await problem(gateway, "/sweeps/feedfeed/plot.png", 404))["code"] == "no_such_sweep"
    assert (await problem(gateway, "/experiments/none/plot.png", 404))["code"] == "no_such_experiment"


async def test_a_sweep_without_results_says_so(gateway: Gateway) -> None:
    sweep = await swept(gateway, {"eps": [0.1, 0.2]}, states={0: "queued", 1: "failed"})
    said = await problem(gateway, f"/sweeps/{sweep}/plot.png", 409)
    assert said["code"] == "no_results"
    assert said["detail"].endswith("none of 2 cells has succeeded and has told a metric (1 failed, 1 queued)")
    nan = await swept(gateway, {"eps": [1, 2]}, lambda _: {"loss": math.nan}, sweep="5eed000000000000dead")
    assert "told a finite loss" in (await problem(gateway, f"/sweeps/{nan}/curves", 409))["detail"]


async def test_an_experiment_is_drawn_over_a_parameter_of_its_jobs(gateway: Gateway) -> None:
    await swept(gateway)
    curves = (await gateway.user.get("/experiments/digits/curves")).json()
    assert (curves["x"], curves["by"], curves["over"]) == ("eps", ["attack"], ["seed"])
    assert curves["note"] == "1 of 19 jobs missing: 1 cancelled"
    shown = texts((await gateway.user.get("/experiments/digits/plot.svg")).content)
    assert {"digits", "eps: Largest change of a pixel (Linf)"} <= set(shown)


async def test_many_pictures_at_once_are_all_drawn_alike(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    answers = await asyncio.gather(*(gateway.user.get(f"/sweeps/{sweep}/plot.svg") for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


async def test_a_metric_that_the_newest_attempt_has_not_told_is_not_drawn(gateway: Gateway) -> None:
    sweep = await swept(gateway)
    async with gateway.parts.database.transaction() as session:
        await session.execute(
            update(MetricRow).where(col(MetricRow.job_id).like("00000_%")).values(attempt=1)
        )
    curves = (await gateway.user.get(f"/sweeps/{sweep}/curves")).json()
    assert curves["missing"] == {"without this metric": 16}
