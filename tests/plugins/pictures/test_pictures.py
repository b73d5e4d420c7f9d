"""Pictures are saved to look at, to print and to compute with, and the same numbers give the same file."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.plugins.victims import logistic, some
from tiltyard_plugins.evasion.gradient import fgm
from tiltyard_plugins.metrics.accuracy import confusion_matrix
from tiltyard_plugins.metrics.detection_rates import roc
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.pictures.grids import confusion_picture, example_grid
from tiltyard_plugins.pictures.lines import robustness_curve, roc_picture
from tiltyard_plugins.pictures.saving import save_picture

POINTS = [
    {"eps": 0.1, "clean_accuracy": 0.97, "robust_accuracy": 0.6, "noise_accuracy": 0.96},
    {"eps": 0.0, "clean_accuracy": 0.97, "robust_accuracy": 0.97, "noise_accuracy": 0.97},
]


def test_a_picture_is_saved_with_its_numbers(tmp_path: Path) -> None:
    files = save_picture(robustness_curve(POINTS), tmp_path / "deep" / "curve.png", data=POINTS)
    assert [file.name for file in files] == ["curve.png", "curve.svg", "curve.json", "curve.csv"]
    with Image.open(files[0]) as image:
        assert image.size[0] > 600
    assert files[1].read_text().startswith("<?xml")
    assert json.loads(files[2].read_text()) == POINTS
    assert files[3].read_text().splitlines()[:2] == [
        "eps,clean_accuracy,robust_accuracy,noise_accuracy",
        "0.1,0.97,0.6,0.96",
    ]


def test_the_same_numbers_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        save_picture(robustness_curve(POINTS), tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_no_picture_touches_what_pyplot_holds() -> None:
    from matplotlib import pyplot as plt

    robustness_curve(POINTS)
    assert plt.get_fignums() == []


def test_a_curve_shows_clean_attacked_and_control() -> None:
    figure = robustness_curve(POINTS, attack="fgm")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "clean",
        "noise of the same size",
        "fgm",
    ]
    bare = [{key: row[key] for key in row if key != "noise_accuracy"} for row in POINTS]
    assert len(robustness_curve(bare).axes[0].lines) == 2


def test_a_grid_shows_what_was_changed(tmp_path: Path) -> None:
    x, y = some(6)
    attacked = fgm(logistic(), x, y, eps=0.2)
    said = {"said": predict(logistic(), x), "said_attacked": predict(logistic(), attacked)}
    figure = example_grid(x, attacked, shown=4, title="digits", **said)
    assert len(figure.axes) == 12
    assert figure.axes[8].get_xlabel() == "0.20"
    assert figure.axes[4].get_title() == str(said["said_attacked"][0])
    with pytest.raises(ValueError, match="no square image"):
        example_grid(x[:, :30], attacked[:, :30])


def test_other_pictures_are_drawn(tmp_path: Path) -> None:
    truth = np.arange(200) % 2 == 0
    curve, rates = roc(truth, truth + np.random.default_rng(0).normal(size=200))
    save_picture(roc_picture({"attack": curve}), tmp_path / "roc", data={"rates": rates, "curve": curve})
    assert json.loads((tmp_path / "roc.json").read_text())["curve"][0]["threshold"] == "inf"
    matrix = confusion_matrix(some(100)[1], predict(logistic(), some(100)[0]), classes=10)
    files = save_picture(confusion_picture(matrix, title="digits"), tmp_path / "confusion", data=matrix)
    assert [file.suffix for file in files] == [".png", ".svg", ".json"]
