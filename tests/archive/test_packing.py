"""The same folder gives the same archive, and a folder that no archive may hold is told so."""

import os

import pytest

from tiltyard.archive import ArchiveRefused, Limits, inspect, pack_directory, unpack
from tiltyard.archive.packing import MADE_HERE


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "folder"
    (root / "src" / "empty").mkdir(parents=True)
    (root / "MLproject").write_text("entry_points: {}")
    (root / "src" / "é.py").write_text("print()")
    (root / "run.sh").write_text("#!/bin/sh")
    (root / "run.sh").chmod(0o700)
    return root


def test_what_was_packed_unpacks_the_same(folder, tmp_path):
    pack_directory(folder, tmp_path / "a.tar.gz")
    assert inspect(tmp_path / "a.tar.gz").files == ["MLproject", "run.sh", "src/é.py"]
    unpack(tmp_path / "a.tar.gz", tmp_path / "into")
    assert (tmp_path / "into" / "src" / "é.py").read_text() == "print()"
    assert (tmp_path / "into" / "src" / "empty").is_dir()
    assert os.access(tmp_path / "into" / "run.sh", os.X_OK)


def test_the_same_files_give_the_same_bytes(folder, tmp_path):
    pack_directory(folder, tmp_path / "a")
    os.utime(folder / "MLproject", (1, 1))
    (folder / "run.sh").chmod(0o755)
    pack_directory(folder, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_a_run_on_this_machine_left_is_left_out(folder, tmp_path):
    for name in ("outputs/curve.png", f"outputs/{MADE_HERE}", "data/x"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    pack_directory(folder, tmp_path / "packed")
    assert inspect(tmp_path / "packed").files == ["MLproject", "data/x", "run.sh", "src/é.py"]


def test_what_no_entry_point_needs_is_left_out(folder, tmp_path):
    for name in (".git/HEAD", ".venv/x", "src/__pycache__/x.pyc", "x.pyc"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    pack_directory(folder, folder / "itself.tar.gz")
    assert inspect(folder / "itself.tar.gz").files == ["MLproject", "run.sh", "src/é.py"]


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("link", lambda root: (root / "l").symlink_to("MLproject")),
        ("link", lambda root: (root / "l").symlink_to("src")),
        ("device", lambda root: os.mkfifo(root / "pipe")),
        ("backslash", lambda root: (root / "a\\b").touch()),
        ("not_utf8", lambda root: (root / "\udcff").touch()),
        ("duplicate", lambda root: (root / "mlproject").touch()),
        ("too_large", lambda root: (root / "big").write_bytes(os.urandom(50_000))),
        ("ratio", lambda root: (root / "zeros").write_bytes(b"\0" * 39_000)),
        ("too_many_files", lambda root: [(root / f"f{n}").touch() for n in range(10)]),
    ],
)
def test_a_folder_that_breaks_a_rule_is_refused_and_leaves_no_archive(folder, tmp_path, rule, make):
    make(folder)
    with pytest.raises(ArchiveRefused) as caught:
        pack_directory(
            folder, tmp_path / "a", Limits(unpacked_bytes=40_000, files=10, ratio_from=1000, ratio=20)
        )
    assert caught.value.rule == rule
    assert not (tmp_path / "a").exists()


def test_the_refused_link_is_named(folder, tmp_path):
    (folder / "src" / "data").symlink_to("/data")
    with pytest.raises(ArchiveRefused, match="src/data: it is a link to /data: put the file itself there"):
        pack_directory(folder, tmp_path / "a")
