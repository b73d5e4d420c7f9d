"""Data sets from files come as they were saved, and files that are something else are refused."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiltyard_plugins.data.files import load_data, save_data
from tiltyard_plugins.data.images import IDX, image_folder, image_set
from tiltyard_plugins.data.packaged import wine
from tiltyard_plugins.data.tables import table


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype("u1").tobytes()


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def test_a_saved_data_set_comes_back_whole(tmp_path: Path) -> None:
    data = wine()
    again = load_data(save_data(data, tmp_path / "deep" / "wine.npz"))
    assert (again.name, again.names, again.clip) == (data.name, data.names, data.clip)
    assert np.array_equal(again.x_train, data.x_train)
    assert np.array_equal(again.y_test, data.y_test)


def test_mnist_files_are_read_packed_or_not(tmp_path: Path) -> None:
    arrays = {
        "x_train": pixels(20),
        "x_test": pixels(10),
        "y_train": np.arange(20) % 10,
        "y_test": np.arange(10),
    }
    for key, name in IDX.items():
        if key.startswith("x"):
            (tmp_path / name).write_bytes(idx(arrays[key]))
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(arrays[key])))
    data = image_set(tmp_path, train_limit=15)
    assert data.x_train.shape == (15, 28, 28, 1)
    assert data.classes == 10
    assert np.allclose(data.x_test[..., 0] * 255, arrays["x_test"])
    assert np.array_equal(data.y_train, arrays["y_train"][:15])


def test_an_npz_file_is_read_split_or_not(tmp_path: Path) -> None:
    np.savez(tmp_path / "whole.npz", x=pixels(40), y=np.arange(40) % 4)
    data = image_set(tmp_path / "whole.npz")
    assert (len(data.x_train), len(data.x_test), data.classes) == (30, 10, 4)


def test_what_is_no_image_set_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ValueError, match="holds weights"):
        image_set(tmp_path / "other.npz")
    np.savez(tmp_path / "pickled.npz", x=np.array([{}], dtype=object), y=[0])
    with pytest.raises(ValueError, match="allow_pickle"):
        image_set(tmp_path / "pickled.npz")
    for name in IDX.values():
        (tmp_path / name).write_bytes(b"not idx at all")
    with pytest.raises(ValueError, match="no IDX file"):
        image_set(tmp_path)


def test_a_folder_of_images_is_labelled_by_its_folders(tmp_path: Path) -> None:
    for label, shade in (("cat", 0), ("dog", 255)):
        (tmp_path / label).mkdir()
        for number in range(8):
            Image.new("L", (10, 12), shade).save(tmp_path / label / f"{number}.png")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    data = image_folder(tmp_path, size=(6, 5), grey=True)
    assert data.names == ("cat", "dog")
    assert data.shape == (6, 5, 1)
    assert np.array_equal(data.x_test[:, 0, 0, 0], data.y_test)
    with pytest.raises(ValueError, match="no folders with images"):
        image_folder(tmp_path / "cat")


def test_a_table_becomes_features_and_named_labels(tmp_path: Path) -> None:
    rows = [f"{n},{'red' if n % 2 else 'blue'},{'yes' if n > 20 else 'no'}" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["size,colour,answer", *rows]) + "\n")
    data = table(tmp_path / "t.csv", label="answer")
    assert data.names == ("no", "yes")
    assert data.shape == (3,)
    assert data.x_train.min() == 0
    assert data.x_train.max() == 1
    with pytest.raises(ValueError, match="it has size, colour, answer"):
        table(tmp_path / "t.csv", label="colour?")
    (tmp_path / "t.csv").write_text("size,answer\n1,yes\n,no\n")
    with pytest.raises(ValueError, match="lacks values in 1 rows, first in row 3"):
        table(tmp_path / "t.csv", label="answer")
