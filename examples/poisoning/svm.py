"""Poison a support vector machine with a few points, and compare with the same points where they were: the control.

Every point carries a wrong label. The attack moves it to where the machine's validation loss grows; the control leaves it where
it was found, so that what the two differ in is what the attack adds. Threes against eights, 107 of them to train on.

Runs as a job and by hand alike: `tiltyard run examples/poisoning -e svm`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from prefect import flow

import tiltyard

OUTPUTS = Path("outputs")
MOVED, FLIPPED = "points moved by the attack", "same points, not moved (control)"
FIRST, SECOND = 3, 8

digits = tiltyard.plugin("tiltyard_plugins.data.packaged.digits")
two_labels = tiltyard.plugin("tiltyard_plugins.poisoning.svm.two_labels")
svm_poisoning = tiltyard.plugin("tiltyard_plugins.poisoning.svm.svm_poisoning")
classifier = tiltyard.plugin("tiltyard_plugins.models.classic.classifier")
wrap = tiltyard.plugin("tiltyard_plugins.models.classic.wrap")
accuracy = tiltyard.plugin("tiltyard_plugins.metrics.accuracy.accuracy")
curves = tiltyard.plugin("tiltyard_plugins.report.curves.curves")
log_metrics = tiltyard.plugin("tiltyard_plugins.report.figures.log_metrics")
save_picture = tiltyard.plugin("tiltyard_plugins.pictures.saving.save_picture")


@flow
def poison(points: Sequence[int], splits: int, seed: int) -> None:
    """Poison on several splits, and save the means."""
    found: dict[str, list[list[float]]] = {MOVED: [], FLIPPED: []}
    for split in range(seed, seed + splits):
        pair = two_labels(digits(flat=True, test=0.7, seed=split), first=FIRST, second=SECOND)
        clean = reached(pair)
        moved, flipped = [clean], [clean]
        for number in points:
            poisoned, _, control = svm_poisoning(pair, points=number, validation=40, seed=split)
            moved.append(reached(poisoned))
            flipped.append(reached(control))
        found[MOVED].append(moved)
        found[FLIPPED].append(flipped)
        tiltyard.progress(split - seed + 1, splits, "splits poisoned")
    report([0, *points], {name: np.mean(rows, axis=0) for name, rows in found.items()}, splits, seed)


def reached(dataset: Any) -> float:
    """The test accuracy of a linear machine that is trained on this."""
    machine = classifier(dataset, kind="svc", options={"kernel": "linear"})
    return float(accuracy(wrap(machine), dataset.x_test, dataset.y_test))


def report(points: list[int], means: dict[str, Any], splits: int, seed: int) -> None:
    """Save the curves, and tell the key figures."""
    table, figure = curves(
        points,
        means,
        controls=[FLIPPED],
        values=MOVED,
        x_name="points",
        x_label="points added to 107 training images",
        y_label="accuracy on the test images",
        y_limits=(0.9, 1.0),
        title="A support vector machine, threes against eights: wrong labels in the worst places",
        facts={"mean over splits": splits, "first seed": seed},
    )
    save_picture(figure, OUTPUTS / "svm", data=table.reset_index())
    log_metrics({"moved": means[MOVED], "flipped": means[FLIPPED]})


def main() -> None:
    """Read the command line, and run the flow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    OUTPUTS.mkdir(exist_ok=True)
    poison(args.points, args.splits, args.seed)


if __name__ == "__main__":
    main()
