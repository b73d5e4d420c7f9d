from inspect import Parameter, signature
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.tree import DecisionTreeClassifier

from tiltyard.artifact_types import NotSaved, UnknownArtifactType, artifact_type, load, save, sort_of
from tiltyard.artifact_types.reading import artifact_types_of
from tiltyard.artifact_types.registry import STANDARD, named, of_class
from tiltyard_orchestrator.domain.graph import saving


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (np.eye(3), ["a.npy"]),
        ({"x": np.eye(2), "y": np.ones(3)}, ["a.npz"]),
        ("hello\n", ["a.txt"]),
        ({"accuracy": 0.9, "n": [1, None, True]}, ["a.json"]),
        (0.5, ["a.json"]),
        (None, ["a.json"]),
    ],
)
def test_a_value_is_what_it_was_after_it_was_saved(value: object, names: list[str], tmp_path: Path) -> None:
    paths = save(value, tmp_path / "deep", "a")
    assert [path.name for path in paths] == names
    again = load(paths[0])
    if isinstance(value, dict) and names == ["a.npz"]:
        assert set(again) == set(value)
        assert all(np.array_equal(again[key], value[key]) for key in value)
    elif isinstance(value, np.ndarray):
        assert np.array_equal(again, value)
    else:
        assert again == value


def test_a_table_keeps_its_columns_and_its_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"eps": [0.1, 0.2], "accuracy": [0.9, 0.5]}, index=["a", "b"])
    pd.testing.assert_frame_equal(load(save(frame, tmp_path, "t")[0]), frame)
    rows = [{"eps": 0.1, "n": 1}, {"eps": 0.2}]
    assert save(rows, tmp_path, "rows", "table")[0].read_text().splitlines() == ["eps,n", "0.1,1", "0.2,"]
    columns = {"eps": [0.1], "n": [1]}
    assert save(columns, tmp_path, "columns", "table")[0].read_text().splitlines() == ["eps,n", "0.1,1"]


def test_a_figure_is_saved_for_the_eye_and_for_print(tmp_path: Path) -> None:
    figure = Figure()
    figure.subplots().plot([1, 2])
    paths = save(figure, tmp_path, "curve")
    assert [path.name for path in paths] == ["curve.png", "curve.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in paths[1].read_bytes()


def test_a_model_predicts_the_same_after_it_was_loaded(tmp_path: Path) -> None:
    model = DecisionTreeClassifier(random_state=0).fit([[0], [1]], [0, 1])
    [path] = save(model, tmp_path, "model")
    assert path.suffix == ".joblib"
    assert list(load(path).predict([[0], [1]])) == [0, 1]


def test_files_and_folders_are_copied(tmp_path: Path) -> None:
    (tmp_path / "from/deep").mkdir(parents=True)
    (tmp_path / "from/deep/a.bin").write_bytes(b"a")
    (tmp_path / "from/link").symlink_to("/etc/passwd")
    assert save(tmp_path / "from", tmp_path / "to", "all") == [tmp_path / "to/all/deep/a.bin"]
    assert save(tmp_path / "from/deep/a.bin", tmp_path / "to", "one") == [tmp_path / "to/one.bin"]
    with pytest.raises(FileNotFoundError, match="no file is"):
        save(tmp_path / "nothing", tmp_path / "to", "none")


def test_a_list_of_arrays_or_figures_is_several_files(tmp_path: Path) -> None:
    paths = save([np.eye(2), np.eye(3)], tmp_path, "steps")
    assert [path.name for path in paths] == ["steps-1.npy", "steps-2.npy"]
    assert sort_of([np.float32(0.5), {"n": np.int64(3)}]) == "json"


def test_a_value_without_a_form_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(NotSaved, match="register your own with @artifact_type"):
        save(SimpleNamespace(), tmp_path, "x")
    with pytest.raises(UnknownArtifactType, match="known are array, figure"):
        save(1, tmp_path, "x", "waveform")
    with pytest.raises(ValueError, match="pickle"):
        save(np.array([SimpleNamespace()]), tmp_path, "x", "array")


def test_a_plugin_registers_its_own(tmp_path: Path) -> None:
    @artifact_type("test-waveform")
    class Waveform:
        def save(self, value, folder, name, rate=1):
            path = folder / f"{name}.wav"
            path.write_text(f"{value} at {rate}")
            return [path]

        def load(self, path):
            return path.read_text()

    [path] = save(5, tmp_path, "x", "test-waveform", rate=16)
    assert load(path, "test-waveform") == "5 at 16"
    with pytest.raises(TypeError, match="no method `save`"):
        artifact_type("nothing")(SimpleNamespace)


def test_an_artifact_task_of_dioptras_is_an_artifact_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StringArtifactTask:
        @staticmethod
        def serialize(working_dir, name, contents, type="txt", **_):  # noqa: A002 - Dioptra's word
            path = (working_dir / name).with_suffix("." + type)
            path.write_text(contents)
            return path

        @staticmethod
        def deserialize(working_dir, path, **_):
            return (working_dir / path).read_text()

    class FileArtifactTask(StringArtifactTask):
        @staticmethod
        def serialize(working_dir, _name, contents, **_):
            return working_dir / contents

    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    kind = of_class(StringArtifactTask)
    [path] = kind.save("hello", tmp_path / "outputs", "greeting", type="md")
    assert path == tmp_path / "outputs/greeting.md"
    assert kind.load(path) == "hello"
    assert not (tmp_path / "greeting.md").exists()
    (tmp_path / "mine.csv").write_text("a")
    [copied] = of_class(FileArtifactTask).save("mine.csv", tmp_path / "outputs", "x")
    assert copied.read_text() == (tmp_path / "mine.csv").read_text() == "a"


def test_artifact_types_are_found_in_the_source_of_a_plugin() -> None:
    files = {
        "mine/__init__.py": b"from tiltyard.artifact_types import artifact_type\n@artifact_type('wave')\nclass W: ...\n",
        "mine/tasks.py": (
            b"from dioptra.sdk.api.artifact import ArtifactTaskInterface\nclass A(ArtifactTaskInterface): ...\n"
            b"class B(A): ...\nclass C: ...\n"
        ),
        "mine/broken.py": b"class",
        "mine/data.csv": b"class D(ArtifactTaskInterface): ...",
    }
    assert artifact_types_of(files) == {"wave": "mine:W", "A": "mine.tasks:A", "B": "mine.tasks:B"}


@pytest.mark.parametrize("name", sorted(STANDARD))
def test_a_graph_is_checked_for_the_very_options_that_each_artifact_type_takes(name: str) -> None:
    taken = list(signature(named(name).save).parameters.values())[3:]
    assert {one.name: one.kind is Parameter.VAR_KEYWORD for one in taken} == {
        one.name: one.variadic for one in saving.STANDARD[name]
    }
    assert saving.STANDARD.keys() == STANDARD.keys()
