"""Draws accuracy over the strength of an attack."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl


def draw_curve(points: Sequence[tuple[float, float, float]], path: Path) -> None:
    """Draw a robustness curve.

    Args:
        points: `(eps, clean accuracy, robust accuracy)`; eps is the largest change of a pixel (L-infinity, pixels from 0 to
            1), accuracies are fractions of the test set.
        path: the PNG to write.
    """
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - the backend is chosen first

    ordered = sorted(points)
    eps = [point[0] for point in ordered]
    figure, axes = plt.subplots(figsize=(7, 4.2))
    axes.plot(eps, [point[1] for point in ordered], "--", color="0.45", label="clean")
    axes.plot(eps, [point[2] for point in ordered], "o-", color="#b3202c", label="fast gradient method")
    for x, _, y in ordered:
        axes.annotate(f"{y:.2f}", (x, y), textcoords="offset points", xytext=(6, 6), fontsize=8)
    axes.set_xlabel("eps: largest change of a pixel (L-infinity; pixels from 0 to 1)")
    axes.set_ylabel("accuracy on the test set")
    axes.set_title("Logistic regression on digits: robust accuracy under attack")
    axes.set_ylim(0, 1.05)
    axes.set_xlim(0, max(eps) * 1.08 or 1)
    axes.grid(alpha=0.25)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)
