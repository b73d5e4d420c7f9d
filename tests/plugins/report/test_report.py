"""What experiments say at their end, and the small tasks between others."""

import json
from typing import Any

import numpy as np
import pytest

from tiltyard_plugins.data.noise import mislabel
from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.data.split import training_part
from tiltyard_plugins.detection.removal import remove_suspects
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.report.accuracies import accuracies_of, accuracies_on
from tiltyard_plugins.report.columns import column
from tiltyard_plugins.report.curves import curves
from tiltyard_plugins.report.figures import log_metrics


def test_figures_are_told_by_nested_names_and_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[Any, ...]] = []
    monkeypatch.setattr("tiltyard.metric", lambda *metric: told.append(metric))
    kept = log_metrics({"clean": np.float32(0.5), "pgd": [0.9, 0.1], "attack": {"auc": 1, "name": "rule"}})
    assert told == [("clean", 0.5), ("pgd", 0.9, 0), ("pgd", 0.1, 1), ("attack.auc", 1.0)]
    assert json.loads(json.dumps(kept)) == {"clean": 0.5, "pgd": [0.9, 0.1], "attack.auc": 1.0}


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_curves_are_a_picture_and_the_same_numbers(scale: str) -> None:
    table, figure = curves(
        [1, 10], {"attack": [0.9, 0.2], "noise": [0.9, 0.88]}, controls=["noise"], x_name="eps", x_scale=scale,
        values="attack", facts={"seed": 0},
    )  # fmt: skip
    assert table.reset_index().to_dict(orient="list") == {
        "eps": [1.0, 10.0], "attack": [0.9, 0.2], "noise": [0.9, 0.88],
    }  # fmt: skip
    [axes] = figure.axes
    assert [line.get_label() for line in axes.lines] == ["attack", "noise"]
    assert axes.lines[1].get_linestyle() == "--"
    assert figure.get_supxlabel() == "seed: 0"


def test_a_curve_that_lost_a_point_is_refused() -> None:
    with pytest.raises(ValueError, match="2 points over 3 places"):
        curves([0, 0.1, 0.2], {"attack": [0.9, 0.2]})


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    assert column([{"eps": 0.1, "left": 0.5}, {"eps": 0.2, "left": 0.1}], "left") == [0.5, 0.1]
    with pytest.raises(ValueError, match="no column 'right': its columns are eps"):
        column([{"eps": 0.1}], "right")


def test_accuracies_follow_what_was_given() -> None:
    data = digits(flat=True, limit=400)
    victim = wrap(classifier(data))
    nothing = np.zeros_like(data.x_test)
    seen, unseen = accuracies_on(victim, [data.x_test, nothing], data.y_test)
    assert seen > 0.85
    assert unseen < 0.3
    assert accuracies_of([victim, victim], data.x_test, data.y_test) == [seen, seen]
    with pytest.raises(ValueError, match="have no accuracy"):
        accuracies_on(victim, [data.x_test[:3]], data.y_test)


def test_wrong_labels_stand_in_both_parts_and_are_seeded() -> None:
    data = digits(flat=True)
    noisy, again = mislabel(data, share=0.3, seed=1), mislabel(data, share=0.3, seed=1)
    for part in ("y_train", "y_test"):
        assert np.mean(getattr(noisy, part) != getattr(data, part)) == pytest.approx(0.3, abs=0.06)
        assert (getattr(noisy, part) == getattr(again, part)).all()
    with pytest.raises(ValueError, match="from 0 to 1"):
        mislabel(data, share=2)


def test_suspects_leave_the_training_part_and_no_label_leaves_it_whole() -> None:
    data = digits(limit=300)
    inputs, labels = training_part(data)
    flagged = np.arange(len(labels)) < 7
    cleaned, left = remove_suspects(data, flagged)
    assert left == {"removed": 7, "left": len(labels) - 7}
    assert (cleaned.x_train == inputs[7:]).all()
    assert len(cleaned.y_test) == len(data.y_test)
    with pytest.raises(ValueError, match="every training input of the labels 3"):
        remove_suspects(data, labels == 3)
