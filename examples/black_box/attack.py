"""HopSkipJump, which sees labels alone, on a random forest and a linear model; DeepFool, which sees gradients, beside it.

A forest has no gradients, so the usual attacks refuse it. That is no defence: this script shows what labels alone give away,
how many questions that takes, and how much nearer an attacker comes who knows the weights. Noise of the same length is the
control.

Runs as a job and by hand alike: `tiltyard run examples/black_box`.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from prefect import flow

import tiltyard

OUTPUTS = Path("outputs")
LENGTHS = np.round(np.arange(0, 2.01, 0.1), 1)
WHITE_BOX = "linear, white box (DeepFool)"
BLACK_BOX = "{}, black box (HopSkipJump)"
NOISE = "forest, random noise"

digits = tiltyard.plugin("tiltyard_plugins.data.packaged.digits")
sample = tiltyard.plugin("tiltyard_plugins.data.split.sample")
classifier = tiltyard.plugin("tiltyard_plugins.models.classic.classifier")
wrap = tiltyard.plugin("tiltyard_plugins.models.classic.wrap")
predict = tiltyard.plugin("tiltyard_plugins.models.estimators.predict")
deepfool = tiltyard.plugin("tiltyard_plugins.evasion.minimal.deepfool")
hop_skip_jump = tiltyard.plugin("tiltyard_plugins.evasion.decision.hop_skip_jump")
random_noise = tiltyard.plugin("tiltyard_plugins.evasion.noise.random_noise")
curves = tiltyard.plugin("tiltyard_plugins.report.curves.curves")
log_metrics = tiltyard.plugin("tiltyard_plugins.report.figures.log_metrics")


@flow
def black_box(n: int, budgets: Sequence[int], trees: int, seed: int) -> None:
    """Attack both models, and save distances, curves and key figures."""
    data = digits(flat=True, seed=seed)
    models = {
        "linear": classifier(data, kind="logistic_regression", seed=seed),
        "forest": classifier(data, kind="random_forest", options={"n_estimators": trees}, seed=seed),
    }
    victims = {name: wrap(model) for name, model in models.items()}
    images, labels = sample(data.x_test, data.y_test, size=n, seed=seed)

    seen = deepfool(victims["linear"], images, labels, seed=seed)
    lengths = {WHITE_BOX: needed(victims["linear"], images, seen, labels)}
    asked: dict[str, list[float]] = {}
    medians: dict[str, list[float]] = {}
    for name, victim in victims.items():
        count = counted(models[name])
        asked[name], medians[name] = [], []
        for done, budget in enumerate(budgets, 1):
            before = count()
            attacked = hop_skip_jump(victim, images, labels, iterations=budget, seed=seed)
            asked[name].append((count() - before) / len(images))
            lengths[BLACK_BOX.format(name)] = needed(victim, images, attacked, labels)
            medians[name].append(float(np.median(lengths[BLACK_BOX.format(name)])))
            tiltyard.progress(done, len(budgets), f"{name} model, {budget} iterations")
    noise = under_noise(victims["forest"], data.x_test, data.y_test, seed)
    said = {"attacked images": len(images), "seed": seed}
    report(lengths, noise, said)
    report_queries(budgets, asked, medians, float(np.median(lengths[WHITE_BOX])), said)


def counted(model: Any) -> Callable[[], int]:
    """Count how many inputs a model is asked about from here on."""
    ask, asked = model.predict_proba, []

    def asked_about(inputs: Any) -> Any:
        asked.append(len(inputs))
        return ask(inputs)

    model.predict_proba = asked_about
    return lambda: sum(asked)


def needed(victim: Any, clean: Any, attacked: Any, labels: Any) -> Any:
    """How far each image had to go (L2) to be misread: infinitely far, where the attack did not get there."""
    lengths = np.linalg.norm(attacked - clean, axis=1)
    return np.where(predict(victim, attacked) == labels, np.inf, lengths)


def under_noise(victim: Any, images: Any, labels: Any, seed: int) -> list[float]:
    """The accuracy on the whole test set under random noise of each length: the control."""
    noisy = [random_noise.fn(victim, images, eps=float(one), norm="l2", seed=seed) for one in LENGTHS]
    return [float(np.mean(predict.fn(victim, one) == labels)) for one in noisy]


def report(lengths: Mapping[str, Any], noise: list[float], said: Mapping[str, Any]) -> None:
    """What is left of each model over how far an image may change."""
    lines = {name: [float(np.mean(found > one)) for one in LENGTHS] for name, found in lengths.items()}
    table, figure = curves(
        list(LENGTHS),
        lines | {NOISE: noise},
        controls=[NOISE],
        x_name="l2",
        x_label="largest change of an image (L2; pixels from 0 to 1)",
        y_label="accuracy on the attacked images",
        title="A forest has no gradients, and falls to who sees its labels alone",
        facts=said,
    )
    keep("accuracy", table, figure)
    images = {f"image_{index}": found for index, found in enumerate(zip(*lengths.values(), strict=True))}
    pd.DataFrame.from_dict(images, orient="index", columns=list(lengths)).to_csv(OUTPUTS / "lengths.csv")
    log_metrics(
        {
            "white_box_linear_l2": float(np.median(lengths[WHITE_BOX])),
            "black_box_linear_l2": float(np.median(lengths[BLACK_BOX.format("linear")])),
            "black_box_forest_l2": float(np.median(lengths[BLACK_BOX.format("forest")])),
            "forest_accuracy": noise[0],
            "forest_accuracy_under_noise": noise[list(LENGTHS).index(1.0)],
        }
    )


def report_queries(
    budgets: Sequence[int],
    asked: Mapping[str, list[float]],
    medians: Mapping[str, list[float]],
    white_box: float,
    said: Mapping[str, Any],
) -> None:
    """How near the attacker comes over how often they may ask."""
    rows = [
        {"model": name, "iterations": budget, "queries_per_image": queries, "median_l2": median}
        for name in asked
        for budget, queries, median in zip(budgets, asked[name], medians[name], strict=True)
    ]
    pd.DataFrame(rows).to_csv(OUTPUTS / "queries.csv", index=False)
    _, figure = curves(
        asked["forest"],
        {BLACK_BOX.format(name): found for name, found in medians.items()}
        | {WHITE_BOX: [white_box] * len(budgets)},
        controls=[WHITE_BOX],
        x_label="questions per image",
        x_scale="log",
        y_label="median change that is needed (L2)",
        y_limits=None,
        title="As near as with the weights, for thousands of questions an image",
        facts=said,
    )
    keep("queries", None, figure)
    for name in asked:
        log_metrics({f"queries_{name}": asked[name], f"median_l2_{name}": medians[name]})


def keep(name: str, table: Any, figure: Any) -> None:
    """Save a table as CSV and a figure as PNG and SVG."""
    if table is not None:
        table.to_csv(OUTPUTS / f"{name}.csv")
    for suffix in ("png", "svg"):
        figure.savefig(OUTPUTS / f"{name}.{suffix}", dpi=150)


def main() -> None:
    """Read the command line, and run the flow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--trees", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    OUTPUTS.mkdir(exist_ok=True)
    black_box(args.n, args.budgets, args.trees, args.seed)


if __name__ == "__main__":
    main()
