"""Data sets from tables: CSV files, and scaling whose range is learnt from the training part alone."""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.preprocessing import LabelEncoder, MinMaxScaler

from tiltyard import task
from tiltyard_plugins.data.split import Limit, TestShare, split
from tiltyard_plugins.toolbox import Seed, as_inputs
from tiltyard_plugins.types import Dataset


@task(tags=["data", "table"])
def scale(dataset: Dataset) -> Dataset:
    """Scale each feature so that the training part spans 0 to 1; what lies outside in the testing part is cut off there."""
    scaler = MinMaxScaler(clip=True)
    return dataset.with_(
        x_train=as_inputs(scaler.fit_transform(dataset.x_train)),
        x_test=as_inputs(scaler.transform(dataset.x_test)),
        clip=(0.0, 1.0),
    )


@task(tags=["data", "table"])
def table(
    path: Annotated[Path, "a CSV file with a head row"],
    *,
    label: Annotated[str, "the column that holds the label; of any type"],
    test: TestShare = 0.25,
    limit: Limit = 0,
    seed: Seed = 0,
) -> Dataset:
    """Load a table: numbers as they are, columns of text as one feature for each value; everything scaled to 0..1.

    Rows with a missing value are refused: what to do about them is the experimenter's decision.
    """
    rows = pd.read_csv(path)
    if label not in rows:
        raise ValueError(f"{path} has no column {label!r}; it has {', '.join(map(str, rows))}")
    if (empty := rows.isna().any(axis=1)).any():
        raise ValueError(
            f"{path} lacks values in {int(empty.sum())} rows, first in row {int(np.argmax(empty)) + 2}"
        )
    encoder = LabelEncoder()
    labels = encoder.fit_transform(rows.pop(label))
    inputs = pd.get_dummies(rows).to_numpy(dtype=np.float32)
    names = [str(name) for name in encoder.classes_]
    return scale(split(inputs, labels, names=names, test=test, limit=limit, seed=seed, name=Path(path).stem))
