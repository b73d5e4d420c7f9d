"""The Prefect server of a host goes with its last worker, and a worker that comes just then waits until it is gone."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tiltyard_workers.prefect import server
from tiltyard_workers.prefect.place import Place


class Gone(Exception):
    """The process has ended."""


def test_no_worker_finds_a_server_that_is_about_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path / "prefect")
    with place.as_worker():
        place.home.mkdir()
    asked: list[Path] = []

    def remove(folder: Path, *, ignore_errors: bool) -> None:
        asked.append(folder)
        with (place.folder / "workers").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def end(code: int) -> None:
        raise Gone

    monkeypatch.setattr(server, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(shutil, "rmtree", remove)
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Gone):
        server._end_with_the_last_worker(place)
    assert asked == [place.home]
