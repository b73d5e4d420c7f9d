"""The fast gradient method against a logistic regression on scikit-learn's digits.

White box, untargeted, L-infinity; pixels lie between 0 and 1. Source: Goodfellow, Shlens, Szegedy, "Explaining and
Harnessing Adversarial Examples", ICLR 2015, https://arxiv.org/abs/1412.6572. NIST AI 100-2: evasion. MITRE ATLAS: AML.T0043.

Runs inside a job and by hand alike: `python attack.py --eps 0.1`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from art.attacks.evasion import FastGradientMethod
from art.estimators.classification import SklearnClassifier
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import tiltyard

Images = npt.NDArray[np.float32]
OUTPUTS = Path("outputs")
STEPS = 4


def draw(clean: Images, attacked: Images, said: tuple[Images, Images], path: Path) -> None:
    """Draw digits above their attacked copies, each with what the classifier says of it."""
    import matplotlib as mpl  # costs seconds, and not everyone wants pictures

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, rows = plt.subplots(2, len(clean), figsize=(1.1 * len(clean), 2.8), squeeze=False)
    for row, images, title in ((0, clean, "clean"), (1, attacked, "attacked")):
        for column, image in enumerate(images):
            axes = rows[row][column]
            axes.imshow(image.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_title(str(said[row][column]), fontsize=10)
        rows[row][0].set_ylabel(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shown", type=int, default=8)
    args = parser.parse_args()
    OUTPUTS.mkdir(exist_ok=True)

    digits = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        (digits.data / 16).astype("float32"),
        digits.target,
        test_size=0.25,
        stratify=digits.target,
        random_state=args.seed,
    )
    tiltyard.progress(1, STEPS, "data loaded")

    model = LogisticRegression(max_iter=1000, random_state=args.seed).fit(x_train, y_train)
    clean_said = model.predict(x_test)
    clean_accuracy = float(np.mean(clean_said == y_test))
    tiltyard.metric("clean_accuracy", clean_accuracy)
    tiltyard.progress(2, STEPS, "model trained")

    classifier = SklearnClassifier(model=model, clip_values=(0.0, 1.0))
    attacked = x_test
    if args.eps > 0:
        attacked = FastGradientMethod(classifier, norm=np.inf, eps=args.eps).generate(x_test)
    attacked_said = model.predict(attacked)
    robust_accuracy = float(np.mean(attacked_said == y_test))
    tiltyard.metric("robust_accuracy", robust_accuracy)
    tiltyard.metric("largest_change", float(np.abs(attacked - x_test).max()))
    tiltyard.progress(3, STEPS, "model attacked")

    result = {
        "eps": args.eps,
        "clean_accuracy": clean_accuracy,
        "robust_accuracy": robust_accuracy,
        "images": len(x_test),
    }
    (OUTPUTS / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    np.savez_compressed(OUTPUTS / "attacked.npz", clean=x_test, attacked=attacked, labels=y_test)
    if args.shown > 0:
        first = slice(0, args.shown)
        draw(
            x_test[first], attacked[first], (clean_said[first], attacked_said[first]), OUTPUTS / "digits.png"
        )
    tiltyard.progress(STEPS, STEPS, "results written")
    print(f"eps {args.eps:g}: accuracy {clean_accuracy:.3f} clean, {robust_accuracy:.3f} under attack")


if __name__ == "__main__":
    main()
