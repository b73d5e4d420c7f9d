"""Prefect flows in jobs, against one real server: what they tell, and that no failure of theirs goes unseen."""

import json
import os
import signal
from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from tests.workers.conftest import Run
from tests.workers.double import Gateway, Job
from tiltyard_workers.prefect.door import Door

RunFlow = Callable[..., Job]


def secret_of(door: Door) -> SecretStr:
    """What the keys to a door are made with."""
    assert door._gate is not None
    return SecretStr(door._gate.secret)


@pytest.fixture
def run_flow(run: Run, door: Door) -> RunFlow:
    """Run a script as a job to its end."""

    def begin(script: str, command: str = "python main.py", **options: object) -> Job:
        return run(
            command,
            {"main.py": script},
            changed={"prefect_url": door.url, "prefect_secret": secret_of(door), "prefect_events": False},
            **options,
        )

    return begin


def told(job: Job) -> list[tuple[str, str]]:
    return [(step["name"], step["status"]) for step in job.told("step")]


def how(job: Job) -> tuple[str, str, str]:
    assert job.finish is not None, job.log()
    return job.state, str(job.finish.reason), str(job.finish.message)


IGNORED = """\
import asyncio
from prefect import flow, task

@task
def train():
    raise ValueError("no data")

@task
def score(model):
    return 1

@flow
async def main():
    model = train.submit()
    score.submit(model).wait()

asyncio.run(main(return_state=True))
"""


def test_a_flow_whose_failed_state_nobody_looks_at_fails_its_job(run_flow: RunFlow) -> None:
    job = run_flow(IGNORED)
    assert how(job) == ("failed", "step_failed", "The step 'train' failed: ValueError: no data.")
    assert told(job) == [("train", "started"), ("train", "failed"), ("score", "skipped")]
    assert job.told("step")[1]["seconds"] < 60
    assert "hook" not in job.log(), "the hooks are ours, and nobody asked to read of them"


MANY = """\
from prefect import flow, task

@task
def one(number):
    return number

@flow
def main():
    print(sum(each.result() for each in [one.submit(number) for number in range(80)]))

main()
"""


def test_nothing_is_left_to_tell_prefect_when_a_flow_of_many_steps_has_ended(run_flow: RunFlow) -> None:
    job = run_flow(MANY)
    assert job.state == "succeeded"
    assert told(job).count(("one", "finished")) == 80
    assert "3160" in job.log()
    assert "Still processing" not in job.log(), "events that nobody reads were told, and waited for"


CAUGHT = """\
import sys
from prefect import flow

@flow
def below():
    raise RuntimeError("it broke")

@flow
def main():
    try:
        below()
    except RuntimeError:
        print("never mind")

main()
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (0, "step_failed", "The flow 'below' failed: RuntimeError: it broke."),
        (
            3,
            "exit_code",
            "The entry point exited with code 3: the flow 'below' failed: RuntimeError: it broke.",
        ),
    ],
)
def test_an_exception_that_is_caught_around_a_sub_flow_fails_the_job(
    run_flow: RunFlow, code: int, reason: str, message: str
) -> None:
    job = run_flow(CAUGHT, f"python main.py {code}")
    assert "never mind" in job.log()
    assert how(job) == ("failed", reason, message)


LEFT = """\
import os, sys
from prefect import flow, task

@task
def train():
    HOW(0)

@flow
def main():
    train.submit().wait()

main()
"""


@pytest.mark.parametrize(
    ("how_it_leaves", "message", "steps"),
    [
        (
            "os._exit",
            "The flow 'main' did not come to its end: its process ended inside the step 'train'.",
            ["started"],
        ),
        ("sys.exit", "The step 'train' failed: SystemExit: 0.", ["started", "failed"]),
    ],
)
def test_a_step_that_ends_its_process_well_fails_the_job_all_the_same(
    run_flow: RunFlow, how_it_leaves: str, message: str, steps: list[str]
) -> None:
    job = run_flow(LEFT.replace("HOW", how_it_leaves))
    assert how(job) == ("failed", "step_failed", message)
    assert told(job) == [("train", step) for step in steps]


AGAIN = """\
import asyncio
from prefect import flow, task

tried = []

@task
def load():
    tried.append(1)
    if len(tried) == 1:
        raise ConnectionError("not yet")

@flow
def below():
    load()

@flow(retries=1)
async def main():
    below()

asyncio.run(main())
"""


def test_what_failed_in_a_flow_that_was_retried_and_came_to_its_end_fails_no_job(run_flow: RunFlow) -> None:
    job = run_flow(AGAIN)
    assert job.state == "succeeded", job.log()
    assert told(job) == [("load", "started"), ("load", "failed"), ("load", "started"), ("load", "finished")]
    assert "flows" not in job.told("step")[1]


SHAPES = {
    "plugin.toml": "name = 'shapes'\n",
    "shapes/__init__.py": "",
    "shapes/draw.py": """\
from tiltyard import task

TRIED = []

@task(outputs={"sides": int, "name": str}, retries=1)
def polygon(sides):
    TRIED.append(sides)
    if len(TRIED) == 1:
        raise ConnectionError("not yet")
    return sides, f"{sides}-gon"

@task(name="say-it")
def say(text):
    print(f"said {text}")
""",
}
USING = """\
import asyncio, json, os
from prefect import flow
import tiltyard

@flow
async def main():
    drawn = tiltyard.plugin("shapes.draw.polygon").submit(5)
    first = tiltyard.plugin("shapes.draw.say").submit("first", wait_for=[drawn])
    tiltyard.plugin("shapes.draw.say").submit(drawn.result()[1], wait_for=[first]).wait()

asyncio.run(main())
print(json.loads(os.environ["TILTYARD_PLUGINS"]))
"""


def test_a_plugin_s_tasks_are_steps_of_any_flow(gateway: Gateway, run_flow: RunFlow) -> None:
    pin = gateway.push("shapes", "1.0", SHAPES)
    job = run_flow(USING, plugins=[pin])
    assert job.state == "succeeded", job.log()
    assert told(job) == [
        ("polygon", "started"), ("polygon", "retried"), ("polygon", "finished"),
        ("say-it", "started"), ("say-it", "finished"), ("say-it", "started"), ("say-it", "finished"),
    ]  # fmt: skip
    assert job.told("step")[1]["message"] == "ConnectionError: not yet"
    assert job.log("stdout").index("said first") < job.log("stdout").index("said 5-gon")
    assert str([pin.model_dump()]) in job.log("stdout")


OLD_PLUGIN = {
    "trainers/__init__.py": "",
    "trainers/steps.py": """\
from dioptra import pyplugs
from dioptra.sdk.api.artifact import ArtifactTaskInterface
from dioptra.sdk.utilities.decorators import require_package

@pyplugs.register
@pyplugs.task_nout(2)
def split(seed: int):
    return seed, seed + 1

@pyplugs.register()
@require_package("json")
def add(left, right=0):
    print("added")
    return left + right

class Text(ArtifactTaskInterface):
    pass
""",
}
OLD_SCRIPT = """\
import os
import click
from prefect import flow
from dioptra import pyplugs
from dioptra.sdk.utilities.contexts import plugin_dirs
from dioptra.sdk.utilities.logging import (
    StderrLogStream, StdoutLogStream, attach_stdout_stream_handler, clear_logger_handlers, configure_structlog,
    set_logging_level,
)

@click.command()
@click.option("--seed", type=click.INT, default=1)
def add_up(seed):
    print("total", main(seed))

@flow
def main(seed):
    left, right = pyplugs.call_task("trainers", "steps", "split", seed=seed)
    first = pyplugs.call_task("trainers", "steps", "add", left, right=right)
    return pyplugs.call_task("trainers", "steps", "add", first, right=10, upstream_tasks=[first])

if __name__ == "__main__":
    attach_stdout_stream_handler(False)
    set_logging_level(os.getenv("LEVEL", "INFO"))
    configure_structlog()
    with plugin_dirs(), StdoutLogStream(False), StderrLogStream(False):
        add_up()
"""


def test_a_script_of_former_days_runs(gateway: Gateway, run_flow: RunFlow) -> None:
    job = run_flow(
        OLD_SCRIPT, "python main.py --seed 4", plugins=[gateway.push("trainers", "0.1", OLD_PLUGIN)]
    )
    assert job.state == "succeeded", job.log()
    assert "total 19" in job.log("stdout")
    assert told(job) == [
        (name, status) for name in ("split", "add", "add") for status in ("started", "finished")
    ]


def test_a_server_that_was_killed_is_started_again(door: Door) -> None:
    health = f"{door.url}/health"
    with httpx.Client(timeout=150, trust_env=False) as client:
        assert client.get(health).json() is True
        assert door._process is not None
        os.kill(door._process.pid, signal.SIGKILL)
        door._process.wait()
    with httpx.Client(timeout=150, trust_env=False) as client:
        assert json.loads(client.get(health).text) is True
