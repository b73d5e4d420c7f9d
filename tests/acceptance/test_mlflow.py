"""MLflow behind the gateway, as its users use it: unmodified scripts, outside with a user's token and inside a job."""

import secrets
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance.test_first_attack import events_of, submitted
from tests.acceptance.test_killed import processes_of
from tests.acceptance.testbed import Testbed, reachable
from tests.servers import PATIENCE, wait_for

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def model() -> str:
    return f"digits-{secrets.token_hex(4)}"


def outside(testbed: Testbed, folder: Path, *arguments: str) -> str:
    """Run a script of the project's where its author sits, with a user's token; gives what it printed."""
    here = {
        "MLFLOW_TRACKING_URI": str(testbed.mlflow_url),
        "MLFLOW_TRACKING_TOKEN": testbed.token,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    script, *more = arguments
    done = subprocess.run(
        [sys.executable, str(RECORDED / script), *more],
        env=testbed.environment | here, cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def job_of(testbed: Testbed, entry: str, **parameters: str) -> tuple[str, str]:
    """Run an entry point of the project's as a job; gives its id and what it printed."""
    values = [word for name, value in parameters.items() for word in ("-P", f"{name}={value}")]
    job = submitted(testbed, str(RECORDED), "-x", "recorded", "-e", entry, *values)
    done = testbed.run("wait", job, code=None, seconds=300)
    logs = testbed.run("logs", job)
    assert done.returncode == 0, logs.stdout + logs.stderr
    return job, logs.stdout


def test_unmodified_scripts_train_register_load_and_search_inside_and_outside(
    testbed: Testbed, model: str, tmp_path: Path
) -> None:
    job, printed = job_of(testbed, "train", model=model)
    run = testbed.job(job)["mlflow_run_id"]
    assert f"trained in {run}" in printed, "whatever experiment the script named, it is in the job's own run"
    assert f"used {run}" in outside(testbed, tmp_path, "use.py", model)
    trained = outside(testbed, tmp_path, "train.py", f"{model}-outside")
    _, printed = job_of(testbed, "use", model=f"{model}-outside")
    assert f"used {trained.split()[-1]}" in printed
    told = [event["data"] for event in events_of(testbed, job) if event["kind"] == "metric"]
    losses = [(one["step"], one["value"]) for one in told if one["name"] == "loss"]
    assert losses == [(0, 1.0), (1, 0.5), (2, 1 / 3)], "and in the job's history, once"


def test_what_a_search_logs_to_nested_runs_is_followed_by_their_names_and_is_not_the_jobs_own_result(
    testbed: Testbed,
) -> None:
    job, printed = job_of(testbed, "search")
    told = [event["data"] for event in events_of(testbed, job) if event["kind"] == "metric"]
    folds = [(one["run_name"], one["value"]) for one in told if "run" in one and one["name"] == "loss"]
    assert folds == [("fold 0", 0.0), ("fold 1", 1.0), ("fold 2", 2.0)]
    searched = {one["run"] for one in told if one["name"] == "mean_test_score"}
    assert len(searched) == 2, "one for each candidate of the grid, by MLflow's own autologging"
    assert {"run " + run for run in searched} <= set(printed.splitlines())
    own = {one["name"]: one["value"] for one in testbed.json("metrics", job)}
    assert own["loss"] == 0.5
    assert "mean_test_score" not in own


def test_a_job_that_writes_to_another_jobs_run_is_told_that_it_may_not(testbed: Testbed) -> None:
    first, _ = job_of(testbed, "trespass", run="0" * 32)
    _, printed = job_of(testbed, "trespass", run=testbed.job(first)["mlflow_run_id"])
    assert "PERMISSION_DENIED" in printed
    assert f"is job {first}'s" in printed
    assert "a job may read everything, write to its own run and experiment" in printed


def test_mlflow_killed_under_a_job_changes_no_outcome(testbed: Testbed) -> None:
    job = submitted(testbed, str(RECORDED), "-x", "recorded", "-e", "patient")
    wait_for(lambda: "step 3" in testbed.run("logs", job).stdout, seconds=120)
    targets = processes_of(testbed, "mlflow", "--port")
    assert targets
    for process in targets:
        process.kill()
    psutil.wait_procs(targets, timeout=PATIENCE)
    testbed.run("wait", job, seconds=200)
    told = [event["data"] for event in events_of(testbed, job) if event["kind"] == "metric"]
    assert [one["value"] for one in told] == list(range(40))
    if "mlflow" in testbed.restart:
        testbed.processes["mlflow"].wait()
        testbed.restart["mlflow"]()
    wait_for(lambda: reachable(f"{testbed.mlflow_url}/health", testbed.token), seconds=120)


def test_the_command_line_lets_a_browser_in_once(testbed: Testbed) -> None:
    entrance = testbed.json("mlflow")["entrance"]
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=60) as browser:
        page = browser.get(entrance)
        assert page.is_success, page.text
        assert str(page.url) == f"{testbed.mlflow_url}/", "and no ticket is left in the address"
        assert "MLflow" in page.text
    assert httpx.get(entrance, timeout=60).status_code == 401


def test_the_registry_of_a_whole_testbed_answers_each_call_of_mlflows_client(
    testbed: Testbed, model: str, tmp_path: Path
) -> None:
    assert outside(testbed, tmp_path, "registry.py", model).split()[-2:] == ["all", "answered"]
