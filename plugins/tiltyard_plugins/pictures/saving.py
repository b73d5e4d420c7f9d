"""Saving a picture: as PNG to look at, as SVG to print, and the numbers that it shows beside it."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np

from tiltyard import task
from tiltyard_plugins.types import Figure


@task(tags=["picture", "save"])
def save_picture(
    figure: Figure,
    path: Annotated[Path, "without a suffix, or with one that is replaced"],
    *,
    data: Annotated[Any, "the numbers behind the picture: rows become CSV, everything becomes JSON"] = None,
    dpi: Annotated[int, "of the PNG, dots an inch"] = 130,
) -> Annotated[list[Path], "the files that were written"]:
    """Save a picture as PNG and SVG, and the numbers that it shows as JSON, and as CSV where they are rows of a table."""
    stem = Path(path).with_suffix("")
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    figure.savefig(written[0], dpi=dpi)
    with mpl.rc_context(
        {"svg.hashsalt": "tiltyard"}
    ):  # random ids and a date would make every file another one
        figure.savefig(written[1], metadata={"Date": None})
    return written if data is None else written + save_numbers(data, stem)


@task(tags=["save"])
def save_numbers(
    data: Annotated[Any, "numbers, lists, mappings, arrays, rows, or a pandas data frame"],
    path: Annotated[Path, "without a suffix, or with one that is replaced"],
) -> Annotated[list[Path], "the files that were written"]:
    """Save numbers as JSON, and as CSV too where they are rows of a table."""
    stem = Path(path).with_suffix("")
    stem.parent.mkdir(parents=True, exist_ok=True)
    plain = _plain(data)
    written = [stem.with_suffix(".json")]
    written[0].write_text(json.dumps(plain, indent=1) + "\n")
    if isinstance(plain, list) and plain and all(isinstance(row, dict) for row in plain):
        written.append(stem.with_suffix(".csv"))
        with written[1].open("w", newline="") as file:
            rows = csv.DictWriter(file, list(plain[0]), lineterminator="\n")
            rows.writeheader()
            rows.writerows(plain)
    return written


def _plain(data: Any) -> Any:
    """What JSON can hold; what is no finite number becomes text."""
    if hasattr(data, "to_dict"):
        return _plain(data.to_dict(orient="records"))
    if isinstance(data, np.ndarray | np.generic):
        return _plain(data.tolist())
    if isinstance(data, Mapping):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, str):
        return [_plain(value) for value in data]
    if isinstance(data, float) and not np.isfinite(data):
        return str(data)
    return data if isinstance(data, str | int | float | bool | None) else str(data)
