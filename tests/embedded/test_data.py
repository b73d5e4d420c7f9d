"""The data directory: one testbed at a time, secrets made once, and one clear line for what is wrong with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tiltyard_orchestrator.embedded.data import VERSION, DataFolder, Unusable


def test_secrets_and_ports_are_made_once_and_kept_from_others(data: DataFolder) -> None:
    with data.held():
        first = data.secrets()
    with data.held():
        assert data.secrets() == first
    assert (data.root / "secrets.json").stat().st_mode & 0o777 == 0o600
    for folder in (data.store, data.mlflow, data.scratch, data.logs, data.run):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_directory_is_held_by_one_testbed_and_the_second_is_told_whose_it_is(data: DataFolder) -> None:
    with data.held(), pytest.raises(Unusable, match=f"process {os.getpid()}"), DataFolder(data.root).held():
        pytest.fail("it was held twice")


def test_a_killed_testbeds_directory_is_free_once_its_guardian_has_cleared_away(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiltyard_orchestrator.embedded.data.LAST_ONE_SECONDS", 0.3)
    with data.held():
        guardian = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(data.lock,)
        )
        (data.root / "lock").write_text(f"{_unused_pid()}\n")
    assert guardian.stdin is not None
    with pytest.raises(Unusable), data.held():
        pytest.fail("it was held beside the guardian")
    guardian.stdin.close()
    guardian.wait()
    with data.held():
        pass


def test_data_of_a_newer_program_is_left_alone(data: DataFolder) -> None:
    with data.held():
        pass
    (data.root / "version").write_text(f"{VERSION + 1}\n")
    with pytest.raises(Unusable, match="newer Tiltyard"), data.held():
        pytest.fail("it was used")
    assert (data.root / "version").read_text() == f"{VERSION + 1}\n"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="--data"), DataFolder(tmp_path / "file" / "data").held():
        pytest.fail("it was used")


def test_a_port_that_somebody_took_is_chosen_anew(data: DataFolder) -> None:
    import socket

    with data.held():
        first = data.secrets()
        with socket.create_server(("127.0.0.1", first.broker_port)):
            second = data.secrets()
    assert second.broker_port != first.broker_port
    assert second.user_token == first.user_token
    assert max(second.broker_port, second.postgres_port, second.mlflow_port) < 32768


def test_lost_secrets_of_a_database_are_not_replaced_in_silence(data: DataFolder) -> None:
    with data.held():
        data.postgres.mkdir()
        (data.postgres / "PG_VERSION").write_text("18\n")
        with pytest.raises(Unusable, match=r"secrets\.json is gone"):
            data.secrets()
        (data.root / "secrets.json").write_text(json.dumps({})[:1])
        with pytest.raises(Unusable, match="damaged"):
            data.secrets()


def _unused_pid() -> int:
    return next(pid for pid in range(4_000_000, 3_000_000, -1) if not psutil.pid_exists(pid))


def test_mlflow_listens_on_a_socket_among_the_data_where_its_path_is_not_too_long() -> None:
    short, long = DataFolder(Path("/d")), DataFolder(Path("/") / ("d" * 100))
    assert short.mlflow_socket == Path("/d/run/mlflow")
    assert long.mlflow_socket is None
