"""Data sets of images: MNIST-size sets in IDX or npz files, and folders with a folder for each label.

Nothing is downloaded, and nothing is unpickled: an npz file that holds objects is refused.
"""

import gzip
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image

from tiltyard import task
from tiltyard_plugins.data.split import Limit, TestShare, split
from tiltyard_plugins.toolbox import Seed, as_inputs, as_labels
from tiltyard_plugins.types import Data, Dataset

IDX = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@task(tags=["data", "images"])
def image_set(
    path: Annotated[Path, "an npz file, or a folder with the four IDX files of MNIST, also as .gz"],
    *,
    names: Annotated[Sequence[str], "what the labels mean, in their order; none: their numbers"] = (),
    test: Annotated[float, "share to test on, where the file holds `x` and `y` that nobody split"] = 0.25,
    train_limit: Annotated[int, "how many to train on at most, the first ones; 0: all"] = 0,
    test_limit: Annotated[int, "how many to test on at most, the first ones; 0: all"] = 0,
    seed: Seed = 0,
) -> Dataset:
    """Load images of MNIST's kind from files: whole numbers from 0 to 255 are scaled to 0..1, and channels come last.

    The npz file holds `x_train`, `y_train`, `x_test` and `y_test`, or `x` and `y`; so do the files of MNIST, Fashion-MNIST,
    KMNIST and EMNIST as they are published. Source of the IDX format: Y. LeCun, C. Cortes, C. Burges, the MNIST database.
    """
    path = Path(path)
    arrays = _idx_folder(path) if path.is_dir() else _npz(path)
    if "x" in arrays:
        parts = split(_scaled(arrays["x"]), arrays["y"], test=test, seed=seed)
        arrays = {key: getattr(parts, key) for key in IDX}
    x_train, x_test = (
        _scaled(arrays[key])[: limit or None]
        for key, limit in (("x_train", train_limit), ("x_test", test_limit))
    )
    y_train, y_test = (as_labels(arrays[key]) for key in ("y_train", "y_test"))
    meant = tuple(names) or tuple(map(str, range(int(max(y_train.max(), y_test.max())) + 1)))
    return Data(
        name=path.stem,
        x_train=x_train,
        y_train=y_train[: len(x_train)],
        x_test=x_test,
        y_test=y_test[: len(x_test)],
        names=meant,
    )


@task(tags=["data", "images"])
def image_folder(
    path: Annotated[Path, "a folder with a folder of images for each label, named after it"],
    *,
    size: Annotated[Sequence[int], "height and width that the images are brought to, pixels"] = (32, 32),
    grey: Annotated[bool, "one channel and not three"] = False,
    test: TestShare = 0.25,
    limit: Limit = 0,
    seed: Seed = 0,
) -> Dataset:
    """Load images (PNG, JPEG, whatever Pillow opens) from a folder, bring them to one size, and scale them to 0..1."""
    folders = sorted(entry for entry in Path(path).iterdir() if entry.is_dir())
    found = [
        (image, label)
        for label, folder in enumerate(folders)
        for image in _images(folder, tuple(size), grey=grey)
    ]
    if not found:
        raise ValueError(f"there are no folders with images in {path}")
    inputs, labels = zip(*found, strict=True)
    names = [folder.name for folder in folders]
    return split(
        np.stack(inputs), labels, names=names, test=test, limit=limit, seed=seed, name=Path(path).name
    )


def _images(folder: Path, size: tuple[int, ...], *, grey: bool) -> Iterator[Any]:
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in Image.registered_extensions():
            with Image.open(file) as image:
                pixels = image.convert("L" if grey else "RGB").resize((size[1], size[0]))
            yield _scaled(np.asarray(pixels)[np.newaxis])[0]


def _npz(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    if not (arrays.keys() >= IDX.keys() or arrays.keys() >= {"x", "y"}):
        raise ValueError(f"{path} holds {', '.join(arrays)}; it must hold {', '.join(IDX)}, or x and y")
    return arrays if arrays.keys() >= IDX.keys() else {"x": arrays["x"], "y": arrays["y"]}


def _idx_folder(folder: Path) -> dict[str, Any]:
    return {key: _idx(folder / stem) for key, stem in IDX.items()}


def _idx(path: Path) -> Any:
    """The array in an IDX file: two zero bytes, type, number of dimensions, their sizes (big endian), values."""
    packed = path.with_name(path.name + ".gz")
    raw = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
    zero, kind, dimensions = struct.unpack_from(">HBB", raw)
    if zero or kind not in _TYPES:
        raise ValueError(f"{path} is no IDX file")
    shape = struct.unpack_from(f">{dimensions}I", raw, 4)
    return np.frombuffer(raw, _TYPES[kind], offset=4 + 4 * dimensions).reshape(shape)


def _scaled(images: Any) -> Any:
    """Images as float32 from 0 to 1, with a channel axis."""
    scaled = (
        as_inputs(images) / 255 if np.issubdtype(np.asarray(images).dtype, np.integer) else as_inputs(images)
    )
    if scaled.min() < 0 or scaled.max() > 1:
        raise ValueError(
            f"pixels go from {scaled.min():g} to {scaled.max():g}; they must be 0..1, or whole numbers to 255"
        )
    return scaled[..., np.newaxis] if scaled.ndim == 3 else scaled
