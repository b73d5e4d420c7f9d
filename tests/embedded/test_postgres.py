"""PostgreSQL from the wheel: it starts as whoever we are, and again after whatever happened to it."""

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from tests.embedded.conftest import Started, connects
from tests.servers import PATIENCE
from tiltyard_orchestrator.embedded import identity
from tiltyard_orchestrator.embedded.data import DataFolder, Unusable
from tiltyard_orchestrator.embedded.leftover import clear_leftover
from tiltyard_orchestrator.embedded.postgres import Postgres

Start = Callable[[DataFolder], Started]
Until = Callable[..., Awaitable[None]]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


async def query(postgres: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(postgres.url("tiltyard", "postgresql"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_what_was_committed_is_there_after_a_kill(
    data: DataFolder, start_postgres: Start, until: Until
) -> None:
    with data.held():
        postgres, process = start_postgres(data)
        await until(lambda: connects(postgres))
        await postgres.ensure_databases("tiltyard", "mlflow")
        await postgres.ensure_databases("tiltyard", "mlflow")
        await query(postgres, "CREATE TABLE kept AS SELECT 7 AS seven")
        assert await query(postgres, "SHOW fsync") == "on"
        process.kill()
        process.wait()
        again, _ = start_postgres(data)
        await until(lambda: connects(again))
        assert await query(again, "SELECT seven FROM kept") == 7


async def test_a_server_that_was_left_running_is_ended_first(
    data: DataFolder, start_postgres: Start, until: Until
) -> None:
    with data.held():
        postgres, orphan = start_postgres(data)
        await until(lambda: connects(postgres))
        again, process = start_postgres(data)
        assert orphan.wait(PATIENCE) == 0
        await until(lambda: connects(again))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


async def test_a_lock_file_that_names_somebody_elses_process_is_in_nobodys_way(
    data: DataFolder, start_postgres: Start, until: Until
) -> None:
    with data.held():
        postgres, process = start_postgres(data)
        await until(lambda: connects(postgres))
        lock = (data.postgres / "postmaster.pid").read_text()
        process.kill()
        process.wait()
        sleeper = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=subprocess.PIPE)
        try:
            (data.postgres / "postmaster.pid").write_text(lock.replace(str(process.pid), str(sleeper.pid), 1))
            again, _ = start_postgres(data)
            await until(lambda: connects(again))
            assert sleeper.returncode is None
        finally:
            await sleeper.communicate(b"\n")


def test_a_setup_that_was_killed_half_way_is_made_anew(data: DataFolder) -> None:
    with data.held():
        draft = data.postgres.with_name("postgres.new")
        (draft / "data").mkdir(parents=True)
        (draft / "data" / "PG_VERSION").write_text("18\n")
        Postgres.prepare(data.postgres, data.secrets())
        assert (data.postgres / "global" / "pg_control").exists()
        assert not draft.exists()
        assert data.postgres.stat().st_mode & 0o777 == 0o700


def test_data_of_another_postgres_is_left_alone(data: DataFolder) -> None:
    with data.held():
        secrets = data.secrets()
        data.postgres.mkdir()
        (data.postgres / "PG_VERSION").write_text("15\n")
        with pytest.raises(Unusable, match="PostgreSQL 15, and this is 18"):
            Postgres.prepare(data.postgres, secrets)


async def test_whoever_has_no_password_gets_in_nowhere(
    data: DataFolder, start_postgres: Start, until: Until
) -> None:
    with data.held():
        postgres, _ = start_postgres(data)
        await until(lambda: connects(postgres))
        url = postgres.url("postgres", "postgresql").replace(postgres.secrets.postgres_password, "wrong")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url)


def test_an_empty_directory_has_nothing_left_over(tmp_path: Path) -> None:
    assert clear_leftover(tmp_path)


@as_root
def test_a_copy_of_the_program_runs_as_nobody_and_is_made_once() -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        base.chmod(0o755)
        binaries = identity.copy_program(base)
        assert binaries is not None
        assert identity.copy_program(base) == binaries
        copied = identity.Identity(binaries=binaries, user=pwd.getpwnam("nobody").pw_uid)
        assert copied.reaches(base)


@as_root
def test_a_copy_that_another_user_put_there_is_not_trusted() -> None:
    with tempfile.TemporaryDirectory() as name:
        binaries = identity.copy_program(Path(name))
        assert binaries is not None
        (copy,) = Path(name).iterdir()
        os.chown(copy, 65534, 65534)
        assert identity.copy_program(Path(name)) is None


@as_root
async def test_data_that_moves_out_of_nobodys_reach_is_used_all_the_same(
    data: DataFolder, start_postgres: Start, until: Until
) -> None:
    closed = data.root.parent.parent
    closed.mkdir(parents=True)
    for mode in (0o755, 0o700, 0o755):
        closed.chmod(mode)
        with data.held():
            postgres, process = start_postgres(data)
            await until(lambda running=postgres: connects(running))
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
