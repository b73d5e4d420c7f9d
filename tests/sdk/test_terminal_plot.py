"""Curves in a terminal: within its width, told apart without colour, and driven by no label."""

import re
from typing import Any

import pytest

from tiltyard.cli.sweep_show import number
from tiltyard.cli.terminal_plot import plot
from tiltyard.wire.curves import CurvePoint, Curves


def curves(**changes: Any) -> Curves:
    """Accuracy over three values of eps under two attacks."""
    lines = [
        {
            "values": {"attack": attack},
            "label": attack,
            "points": [
                {"x": x, "n": 3, "mean": 1 - slope * x, "low": 0.9 - slope * x, "high": 1.1 - slope * x}
                for x in (0, 0.1, 0.2)
            ],
        }
        for attack, slope in (("fgm", 2), ("pgd", 4))
    ]
    whole = {
        "x": "eps", "y": "robust_accuracy", "by": ["attack"], "over": ["seed"], "x_label": "eps: largest change",
        "by_label": "attack", "y_label": "robust accuracy", "values": [0, 0.1, 0.2], "numeric": True,
        "scale": "linear", "joined": True, "band": "", "lines": lines, "cells": 18, "axes": [], "metrics": [],
    }  # fmt: skip
    return Curves.model_validate(whole | changes)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_a_plot_fits_the_terminal(width: int) -> None:
    lines = plot(curves(), width=width, colour=False).split("\n")
    assert max(map(len, lines)) <= width
    assert max(map(len, lines)) > width * 0.8


def test_lines_have_marks_of_their_own_and_the_axes_their_names() -> None:
    text = plot(curves(), width=80, colour=False)
    assert text.split("\n")[0] == "  robust accuracy"
    assert text.endswith("  attack:  ● fgm  ▲ pgd")
    drawn = text[: text.index("attack:")]
    assert (drawn.count("●"), drawn.count("▲")) == (2, 3)  # both begin at 1
    assert re.search(r"\n +0 +0\.1 +0\.2\n +eps: largest change\n", text)
    assert re.search(r"\n +1┤▲", text)


def test_without_colour_there_is_no_escape_and_with_it_there_is() -> None:
    assert "\x1b" not in plot(curves(), width=80, colour=False)
    assert "\x1b[38;5;33m" in plot(curves(), width=80, colour=True)


def test_a_hostile_label_is_shown_and_not_obeyed() -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\n\u202e"
    line = curves().lines[0].model_copy(update={"label": hostile})
    text = plot(
        curves(lines=[line.model_dump()], by=[hostile], x_label=hostile, y_label=hostile),
        width=80,
        colour=False,
    )
    assert [mark for mark in ("\x1b", "\x07", "\u202e") if mark in text] == []
    assert "\\x1b]0;owned" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"values": ["a", "b", "c"], "numeric": False, "joined": False},
        {"values": [1, 100, 100_000], "scale": "log"},
        {"values": [0, 1, 100_000], "scale": "symlog"},
        {"values": [True, None, [1, 2]], "numeric": False, "joined": False},
    ],
)
def test_whatever_goes_along_can_be_drawn(changes: dict[str, Any]) -> None:
    points = [
        {"x": x, "n": 1, "mean": mean, "low": mean, "high": mean}
        for x, mean in zip(changes["values"], (3e9, 3e9, 3e9), strict=True)
    ]
    text = plot(
        curves(**changes, lines=[{"values": {}, "label": "", "points": points}], by=[]),
        width=80,
        colour=False,
    )
    assert text.count("●") == 3
    assert len(text.split("\n")) < 24


def test_a_mean_is_shown_as_exactly_as_its_band_allows() -> None:
    def shown(mean: float, half: float, n: int = 3) -> str:
        return number(CurvePoint(x=0, n=n, mean=mean, low=mean - half, high=mean + half))

    assert shown(0.83712, 0.0314) == "0.837 ±0.031"
    assert shown(0.83712, 0.0034) == "0.8371 ±0.0034"
    assert shown(1234.5, 20) == "1234 ±20"
    assert shown(0.25, 0, n=1) == "0.25"
    assert shown(0.25, 0) == "0.25 ±0"
    assert number(None) == "-"
