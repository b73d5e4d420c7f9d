"""Keeping a data set as a file, for another job to take up."""

from pathlib import Path
from typing import Annotated

import numpy as np

from tiltyard import task
from tiltyard_plugins.types import Data, Dataset

_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


@task(tags=["data", "save"])
def save_data(
    dataset: Dataset, path: Annotated[Path, "the npz file to write"]
) -> Annotated[Path, "the file that was written"]:
    """Save a data set as it stands, poisons and all, as one npz file without pickles."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {key: getattr(dataset, key) for key in _ARRAYS}
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            names=np.array(dataset.names),
            clip=dataset.clip,
            name=dataset.name,
            **arrays,
        )
    return path


@task(tags=["data", "load"])
def load_data(path: Annotated[Path, "an npz file that `save_data` wrote"]) -> Dataset:
    """Load a data set that `save_data` saved."""
    with np.load(path, allow_pickle=False) as file:
        return Data(
            name=str(file["name"]),
            names=tuple(map(str, file["names"])),
            clip=(float(file["clip"][0]), float(file["clip"][1])),
            **{key: file[key] for key in _ARRAYS},
        )
