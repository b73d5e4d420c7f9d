"""The broker away under a sweep, and while another one is submitted: each cell runs once, whichever broker it is."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy.engine import make_url

from tests.acceptance.testbed import Testbed, site
from tests.faults.background import Background
from tests.faults.proxy import Door
from tests.servers import rabbitmq_vhost, valkey, wait_for

PROJECT = """
name: away
entry_points:
  main:
    parameters:
      seed: integer
    command: python -c 'import time; time.sleep(0.5)' {seed}
"""


@contextmanager
def behind_a_door(kind: str) -> Iterator[tuple[Door, str]]:
    """A broker, and the only way to it, which can be shut."""
    with ExitStack() as stack:
        url = urlsplit(stack.enter_context(rabbitmq_vhost() if kind == "rabbitmq" else valkey()))
        background = Background("broker-door")
        stack.callback(background.close)
        door = Door(background, [url.port or 5672])
        stack.callback(door.close)
        user, at, _ = url.netloc.rpartition("@")
        yield door, url._replace(netloc=f"{user}{at}127.0.0.1:{door.port}").geturl()


@pytest.fixture(params=["rabbitmq", "valkey"])
def way(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Iterator[tuple[Testbed, Door]]:
    """A testbed whose broker can be taken away from it, and the door to the broker."""
    database = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with behind_a_door(request.param) as (door, broker), site(tmp_path, database, broker=broker) as testbed:
        yield testbed, door


@pytest.fixture
def project(tmp_path: Path) -> str:
    folder = tmp_path / "away"
    folder.mkdir()
    (folder / "MLproject").write_text(PROJECT)
    return str(folder)


def swept(testbed: Testbed, project: str, seeds: str, *more: str) -> str:
    return testbed.run("sweep", project, "-P", f"seed={seeds}", "--max-parallel", "3", *more).stdout.strip()


def jobs_of(testbed: Testbed, sweep: str) -> dict[str, int]:
    with testbed.http() as http:
        return dict(http.get(f"/sweeps/{sweep}").raise_for_status().json()["jobs"])


def health(testbed: Testbed) -> dict[str, Any]:
    return dict(httpx.get(f"{testbed.url}/health", timeout=30).json())


def test_each_cell_runs_once_though_the_broker_is_away_while_they_are_submitted_and_let_go(
    way: tuple[Testbed, Door], project: str
) -> None:
    testbed, door = way
    under = swept(testbed, project, "0:19:20")
    wait_for(lambda: jobs_of(testbed, under).get("succeeded", 0) >= 3)
    door.refuse()
    wait_for(lambda: (found := health(testbed))["status"] == "degraded" and not found["keeper"])
    meanwhile = swept(testbed, project, "100:109:10")
    wait_for(lambda: jobs_of(testbed, under).get("running", 0) == 0)
    assert jobs_of(testbed, under).get("succeeded", 0) < 20, "else the broker was away under nothing"
    assert jobs_of(testbed, meanwhile).get("succeeded", 0) < 10
    door.release()
    for sweep in (under, meanwhile):
        testbed.run("sweep", "wait", sweep, seconds=300)
    for sweep, cells in ((under, 20), (meanwhile, 10)):
        with testbed.http() as http:
            found = http.get(f"/sweeps/{sweep}/cells", params={"limit": 100}).raise_for_status().json()
            jobs = [cell["job"] for cell in found["items"]]
            assert len(set(jobs)) == len(jobs) == cells
            for job in jobs:
                history = http.get(f"/jobs/{job}/events").raise_for_status().json()["events"]
                states = Counter(event["data"]["state"] for event in history if event["kind"] == "state")
                assert (states["running"], states["succeeded"]) == (1, 1), states
    wait_for(lambda: health(testbed)["status"] == "ok")
