"""Curves: robustness over the budget of an attack, and ROC curves with their left end drawn large enough to read."""

from collections.abc import Mapping
from typing import Annotated

from matplotlib.figure import Figure as Canvas

from tiltyard import task, types
from tiltyard_plugins.types import Figure

ATTACKED, CLEAN, NOISE = "#b3202c", "0.45", "#2b6cb0"
LEFT_END = 1e-4


@task(tags=["picture", "curve"])
def robustness_curve(
    points: Annotated[
        types.Table, "rows of eps, clean_accuracy, robust_accuracy, and noise_accuracy if there is one"
    ],
    *,
    title: str = "Robust accuracy under attack",
    attack: Annotated[str, "what the attack is called in the legend"] = "under attack",
    norm: Annotated[str, "what eps is measured in"] = "Linf",
) -> Figure:
    """Draw accuracy over the budget of an attack, with the clean accuracy and the control."""
    rows = sorted(points, key=lambda row: row["eps"])
    eps = [row["eps"] for row in rows]
    figure = Canvas(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(eps, [row["clean_accuracy"] for row in rows], "--", color=CLEAN, label="clean")
    if all("noise_accuracy" in row for row in rows):
        axes.plot(
            eps, [row["noise_accuracy"] for row in rows], "s:", color=NOISE, label="noise of the same size"
        )
    axes.plot(eps, [row["robust_accuracy"] for row in rows], "o-", color=ATTACKED, label=attack)
    for row in rows:
        shown = f"{row['robust_accuracy']:.2f}"
        axes.annotate(
            shown, (row["eps"], row["robust_accuracy"]), textcoords="offset points", xytext=(6, 6), fontsize=8
        )
    axes.set(
        xlabel=f"eps: largest change of an input ({norm}; inputs from 0 to 1)", ylabel="accuracy", title=title
    )
    axes.set(ylim=(0, 1.05), xlim=(0, max(eps) * 1.08 or 1))
    axes.grid(alpha=0.25)
    axes.legend()
    return figure


@task(tags=["picture", "curve", "detection"])
def roc_picture(
    curves: Annotated[
        Mapping[str, types.Table], "rows of fpr and tpr, by what they are called in the legend"
    ],
    *,
    title: str = "ROC",
) -> Figure:
    """Draw ROC curves on two logarithmic axes, so that the true positive rate at 1 % and 0.1 % false alarms can be read."""
    figure = Canvas(figsize=(5.4, 5), layout="constrained")
    axes = figure.subplots()
    for name, rows in curves.items():
        axes.step(
            [max(row["fpr"], LEFT_END) for row in rows],
            [max(row["tpr"], LEFT_END) for row in rows],
            where="post",
            label=name,
        )
    axes.plot([LEFT_END, 1], [LEFT_END, 1], ":", color=CLEAN, label="chance")
    for rate in (0.01, 0.001):
        axes.axvline(rate, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(LEFT_END, 1), ylim=(LEFT_END, 1.05), title=title)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")
    return figure
