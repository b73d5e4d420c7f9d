"""The fast gradient method against a logistic regression on scikit-learn's digits.

White box, untargeted, L-infinity; pixels lie between 0 and 1. Source: Goodfellow, Shlens, Szegedy, "Explaining and
Harnessing Adversarial Examples", ICLR 2015, https://arxiv.org/abs/1412.6572. NIST AI 100-2: evasion. MITRE ATLAS: AML.T0043.

Runs inside a job and by hand alike: `python attack.py --eps 0.1`.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import tiltyard
from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.evasion.gradient import fgm
from tiltyard_plugins.metrics.accuracy import robustness
from tiltyard_plugins.models.classic import classifier, wrap
from tiltyard_plugins.models.estimators import predict
from tiltyard_plugins.types import Estimator, Inputs

OUTPUTS = Path("outputs")
STEPS = 4


def draw(estimator: Estimator, clean: Inputs, attacked: Inputs, shown: int) -> None:
    from tiltyard_plugins.pictures.grids import example_grid  # costs seconds, and not everyone wants pictures
    from tiltyard_plugins.pictures.saving import save_picture

    said = {"said": predict(estimator, clean), "said_attacked": predict(estimator, attacked)}
    save_picture(example_grid(clean, attacked, shown=shown, **said), OUTPUTS / "digits")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shown", type=int, default=8)
    args = parser.parse_args()
    OUTPUTS.mkdir(exist_ok=True)

    data = digits(flat=True, seed=args.seed)
    clean, labels = data.x_test, data.y_test
    tiltyard.progress(1, STEPS, "data loaded")

    estimator = wrap(classifier(data, kind="logistic_regression", seed=args.seed))
    tiltyard.progress(2, STEPS, "model trained")

    attacked = fgm(estimator, clean, labels, eps=args.eps, seed=args.seed)
    result = robustness(estimator, clean, attacked, labels)
    for name in ("clean_accuracy", "robust_accuracy"):
        tiltyard.metric(name, result[name])
    tiltyard.metric("largest_change", float(np.abs(attacked - clean).max()))
    tiltyard.progress(3, STEPS, "model attacked")

    np.savez_compressed(OUTPUTS / "attacked.npz", clean=clean, attacked=attacked, labels=labels)
    (OUTPUTS / "result.json").write_text(json.dumps({**result, "eps": args.eps}, indent=1) + "\n")
    if args.shown > 0:
        draw(estimator, clean, attacked, args.shown)
    tiltyard.progress(STEPS, STEPS, "results written")
    print(
        f"eps {args.eps:g}: accuracy {result['clean_accuracy']:.3f} clean, "
        f"{result['robust_accuracy']:.3f} under attack"
    )


if __name__ == "__main__":
    main()
