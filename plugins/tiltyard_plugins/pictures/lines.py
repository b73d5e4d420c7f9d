"""Curves: robustness over the budget of an attack, and ROC curves with their left end drawn large enough to read."""

from collections.abc import Mapping
from typing import Annotated

from matplotlib.figure import Figure as Canvas

from tiltyard import task, types
from tiltyard_plugins.pictures.plotting import COLOURS, CONTROL_COLOUR, Title, plotted
from tiltyard_plugins.types import Figure

ATTACKED = COLOURS[1]
NOISE = "noise of the same size"
LEFT_END = 1e-4


@task(tags=["picture", "curve"])
def robustness_curve(
    points: Annotated[
        types.Table, "rows of eps, clean_accuracy, robust_accuracy, and noise_accuracy if there is one"
    ],
    *,
    title: Title = "Robust accuracy under attack",
    attack: Annotated[str, "what the attack is called in the legend"] = "under attack",
    norm: Annotated[str, "what eps is measured in"] = "Linf",
) -> Figure:
    """Draw accuracy over the budget of an attack, with the clean accuracy and the control."""
    rows = sorted(points, key=lambda row: row["eps"])
    eps = [row["eps"] for row in rows]
    lines = {"clean": [row["clean_accuracy"] for row in rows]}
    if all("noise_accuracy" in row for row in rows):
        lines[NOISE] = [row["noise_accuracy"] for row in rows]
    lines[attack] = [row["robust_accuracy"] for row in rows]
    figure = plotted(
        eps,
        lines,
        controls=["clean"],
        styles={
            "clean": {"marker": ""},
            NOISE: {"color": COLOURS[0], "linestyle": ":"},
            attack: {"color": ATTACKED},
        },
        numbered=attack,
        title=title,
        xlabel=f"eps: largest change of an input ({norm}; inputs from 0 to 1)",
        ylabel="accuracy",
    )
    figure.axes[0].set_xlim(0, max(eps) * 1.08 or 1)
    return figure


@task(tags=["picture", "curve", "detection"])
def roc_picture(
    curves: Annotated[
        Mapping[str, types.Table], "rows of fpr and tpr, by what they are called in the legend"
    ],
    *,
    title: Title = "ROC",
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
    axes.plot([LEFT_END, 1], [LEFT_END, 1], ":", color=CONTROL_COLOUR, label="chance")
    for rate in (0.01, 0.001):
        axes.axvline(rate, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(LEFT_END, 1), ylim=(LEFT_END, 1.05), title=title)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(loc="lower right")
    return figure
