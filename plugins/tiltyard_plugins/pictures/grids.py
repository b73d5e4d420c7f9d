"""Grids: attacked images above what was changed in them, and confusion matrices."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from matplotlib.figure import Figure as Canvas

from tiltyard import task, types
from tiltyard_plugins.pictures.plotting import Title
from tiltyard_plugins.toolbox import as_labels
from tiltyard_plugins.types import Figure, Images, Labels


@task(tags=["picture", "evasion"])
def example_grid(
    inputs: Images,
    attacked: Images,
    *,
    said: Annotated[Labels | None, "what the model says of the clean images"] = None,
    said_attacked: Annotated[Labels | None, "what it says of the attacked ones"] = None,
    names: Annotated[Sequence[str], "what the labels mean; none: their numbers"] = (),
    shown: Annotated[int, "how many images"] = 8,
    title: Title = "",
) -> Figure:
    """Draw images clean, attacked, and what was changed: red is more, blue is less, with the largest change written below.

    An image has three channels or one; where there are others, the first is drawn. Square features (n, 64) are drawn as images.
    """
    clean, hit = (_as_images(part[:shown]) for part in (inputs, attacked))
    figure = Canvas(figsize=(max(1.15 * len(clean), 3.4), 4.2), layout="constrained")
    grid = figure.subplots(3, len(clean), squeeze=False)
    largest = max(float(np.abs(hit - clean).max()), 1e-9)
    for column in range(len(clean)):
        change = (hit - clean)[column].mean(axis=-1)
        _image(grid[0][column], clean[column], _word(said, column, names))
        _image(grid[1][column], hit[column], _word(said_attacked, column, names))
        grid[2][column].imshow(change, cmap="RdBu_r", vmin=-largest, vmax=largest)
        grid[2][column].set_xlabel(f"{np.abs(hit - clean)[column].max():.2f}", fontsize=8)
    for row, name in zip(grid, ("clean", "attacked", "change"), strict=True):
        row[0].set_ylabel(name)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


@task(tags=["picture"])
def confusion_picture(
    matrix: Annotated[types.Array, "(classes, classes): rows are what is true, columns what was said"],
    *,
    names: Annotated[Sequence[str], "what the labels mean; none: their numbers"] = (),
    title: Title = "",
) -> Figure:
    """Draw a confusion matrix: shaded by the share of each true label, with the counts written in."""
    counts = np.asarray(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Canvas(figsize=(0.5 * len(counts) + 2.2, 0.5 * len(counts) + 1.8), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(
                column,
                row,
                f"{count:g}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if shares[row, column] > 0.5 else "black",
            )
    ticks = names or [str(label) for label in range(len(counts))]
    axes.set_xticks(range(len(counts)), ticks, rotation=90 if names else 0)
    axes.set_yticks(range(len(counts)), ticks)
    axes.set(xlabel="said", ylabel="true", title=title)
    return figure


def _as_images(inputs: Any) -> Any:
    array = np.asarray(inputs, dtype=np.float64)
    if array.ndim == 2:
        edge = int(np.sqrt(array.shape[1]))
        if edge * edge != array.shape[1]:
            raise ValueError(
                f"{array.shape[1]} features are no square image: fold them into images first (as_images)"
            )
        array = array.reshape(-1, edge, edge, 1)
    return array if array.shape[-1] == 3 else array[..., :1]


def _image(axes: Any, image: Any, word: str) -> None:
    axes.imshow(image if image.shape[-1] == 3 else image[..., 0], cmap="gray_r", vmin=0, vmax=1)
    axes.set_title(word, fontsize=9)


def _word(labels: Any, place: int, names: Sequence[str]) -> str:
    if labels is None:
        return ""
    label = int(as_labels(labels)[place])
    return names[label] if names else str(label)
