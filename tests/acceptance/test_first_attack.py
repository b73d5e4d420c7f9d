"""The main job, end to end, as its users do it: real processes, the real command line."""

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import NAPS
from tests.acceptance.testbed import Testbed
from tests.servers import wait_for
from tiltyard import Client
from tiltyard_plugins.examples import DIGITS_FGM


def submitted(testbed: Testbed, *arguments: str) -> str:
    """Submit through the command line; its standard output is the id alone."""
    (job,) = testbed.run("submit", *arguments).stdout.split()
    return job


def events_of(testbed: Testbed, job: str) -> list[dict[str, Any]]:
    lines = testbed.run("events", job, "-f", "--json").stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_the_bundled_attack_lowers_the_accuracy(testbed: Testbed) -> None:
    job = submitted(testbed, str(DIGITS_FGM), "-x", "digits", "-P", "eps=0.2")
    testbed.run("wait", job)
    metrics = {
        event["data"]["name"]: event["data"]["value"]
        for event in events_of(testbed, job)
        if event["kind"] == "metric"
    }
    assert metrics["clean_accuracy"] > 0.93
    assert metrics["robust_accuracy"] < 0.3


def test_a_job_goes_through_the_command_line(testbed: Testbed, probe: Path, tmp_path: Path) -> None:
    note = 'it\'s "quoted" $HOME `x` \\ 100%'
    done = testbed.run(
        "submit", str(probe), "-x", "probes", "-P", "n=5", "-P", "loud=yes", "--tag", "paper", "--wait"
    )
    (job,) = done.stdout.split()
    shown = testbed.json("status", job[:8])
    assert shown["state"] == "succeeded"
    assert shown["parameters"] == {"n": 5, "fail": "no", "note": note, "names": ["a", "b c"], "loud": True}
    assert "line 4" in testbed.run("logs", job).stdout
    assert job in testbed.run("ls", "--json").stdout
    paths = {artifact["path"] for artifact in testbed.json("artifacts", "ls", job)}
    assert paths >= {"arguments.json", "environment.json", "deep/naïve name.txt", "aside.txt"}
    testbed.run("artifacts", "get", job, "arguments.json", "-o", str(tmp_path / "got.json"))
    assert json.loads((tmp_path / "got.json").read_text()) == {
        "n": 5, "fail": "no", "note": note, "loud": "true", "names": ["a", "b c"],
    }  # fmt: skip


def test_a_follower_sees_every_event_once_in_order_to_the_end(testbed: Testbed, probe: Path) -> None:
    frames = events_of(testbed, submitted(testbed, str(probe), "-x", "probes", "-P", "n=40"))
    end = frames.pop()
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))
    assert (end["kind"], end["state"], end["seq"]) == ("end", "succeeded", len(frames) - 1)
    assert {frame["kind"] for frame in frames} == {"state", "log", "metric", "progress", "artifact"}
    assert [frame["data"]["value"] for frame in frames if frame["kind"] == "metric"] == [0.75, "NaN"]


def test_a_job_sees_what_it_is_told_and_no_secret(testbed: Testbed, probe: Path, tmp_path: Path) -> None:
    job = submitted(testbed, str(probe), "-x", "probes", "--wait")
    testbed.run("artifacts", "get", job, "environment.json", "-o", str(tmp_path / "environment.json"))
    seen = json.loads((tmp_path / "environment.json").read_text())
    assert seen["TILTYARD_JOB_ID"] == job
    assert (seen["TILTYARD_ATTEMPT"], seen["TILTYARD_EPOCH"]) == ("1", "1")
    assert {"MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"} <= set(seen)
    assert {name for name in seen if "TOKEN" in name} == {"MLFLOW_TRACKING_TOKEN"}, "its own, and no other"
    assert not any("DATABASE" in name or "BROKER" in name for name in seen)
    assert not any(testbed.token in value or "amqp:" in value or "redis:" in value for value in seen.values())


def test_a_job_finds_no_secret_in_any_process_that_it_can_see(
    testbed: Testbed, probe: Path, tmp_path: Path
) -> None:
    job = submitted(testbed, str(probe), "-x", "probes", "-e", "snoop", "--wait")
    testbed.run("artifacts", "get", job, "seen", "-o", str(tmp_path / "seen"))
    seen = (tmp_path / "seen").read_bytes().replace(b"MLFLOW_TRACKING_TOKEN=", b"its own: ")
    assert job.encode() in seen, "it sees itself"
    assert not any(
        secret in seen for secret in (b"TOKEN", b"tyw_", b"ty_", b"amqp://", b"redis://", b"postgresql")
    )


@pytest.mark.parametrize(
    ("fail", "code", "reason", "says"), [("exit", 1, "exit_code", "7"), ("signal", 1, "signal", "SIGSEGV")]
)
def test_a_failed_job_says_how(
    testbed: Testbed, probe: Path, fail: str, code: int, reason: str, says: str
) -> None:
    done = testbed.run("submit", str(probe), "-x", "probes", "-P", f"fail={fail}", "--wait", code=code)
    job = testbed.job(done.stdout.split()[0])
    assert (job["state"], job["reason"]) == ("failed", reason)
    assert says in job["message"]


def test_a_job_over_its_time_is_ended_with_all_it_started(testbed: Testbed, probe: Path) -> None:
    arguments = ["-x", "probes", "-e", "sleep", "-P", "seconds=600", "--timeout", "2s"]
    done = testbed.run("submit", str(probe), *arguments, "--wait", code=4)
    job = testbed.job(done.stdout.split()[0])
    assert (job["state"], job["reason"]) == ("failed", "timed_out")
    assert sleepers() == 0


def test_a_running_job_is_cancelled_with_all_it_started(testbed: Testbed, probe: Path) -> None:
    job = submitted(testbed, str(probe), "-x", "probes", "-e", "sleep", "-P", "seconds=600")
    wait_for(lambda: "asleep" in testbed.run("logs", job).stdout)
    assert sleepers() == 1
    testbed.run("cancel", job)
    testbed.run("wait", job, code=3)
    wait_for(lambda: sleepers() == 0)


def test_a_paused_queue_takes_jobs_and_starts_them_when_it_is_resumed(testbed: Testbed, probe: Path) -> None:
    testbed.run("queue", "pause", "cpu")
    try:
        job = submitted(testbed, str(probe), "-x", "probes")
        testbed.run("submit", str(probe), "-x", "probes", "-q", "pytorch", "-P", "n=1")
        assert testbed.job(job)["state"] == "queued"
    finally:
        testbed.run("queue", "resume", "cpu")
    testbed.run("wait", job)


def test_what_a_script_logs_to_mlflow_is_in_its_run(testbed: Testbed, probe: Path) -> None:
    job = submitted(testbed, str(probe), "-x", "tracked probes", "-e", "tracked", "-P", "alpha=0.25")
    testbed.run("wait", job)
    run_id = testbed.job(job)["mlflow_run_id"]
    with testbed.http() as http:
        answer = http.get(f"{testbed.mlflow_url}/api/2.0/mlflow/runs/get", params={"run_id": run_id})
    run = answer.raise_for_status().json()["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]} == {"score": 0.5}
    assert {"alpha": "0.25", "alpha_seen": "0.25"}.items() <= {
        param["key"]: param["value"] for param in run["data"]["params"]
    }.items()
    assert job in tags.values()
    assert tags["by"] == "the script"
    assert run["info"]["status"] == "FINISHED"
    paths = {artifact["path"] for artifact in testbed.json("artifacts", "ls", job)}
    assert any(path.endswith("reports/report.txt") for path in paths)


MODELS = {
    "MLproject": """
name: models
entry_points:
  train: {command: python train.py}
  attack:
    parameters: {model: path}
    command: python attack.py {model}
""",
    "train.py": "import pathlib\npathlib.Path('outputs').mkdir()\npathlib.Path('outputs/net.txt').write_text('weights')\n",
    "attack.py": "import pathlib, sys\nprint('attacked', pathlib.Path(sys.argv[1]).read_text())\n",
}


def test_what_a_job_trained_is_registered_and_attacked_under_its_alias(
    testbed: Testbed, tmp_path: Path
) -> None:
    for name, content in MODELS.items():
        (tmp_path / name).write_text(content)
    training = submitted(testbed, str(tmp_path), "-x", "models", "-e", "train")
    testbed.run("wait", training)
    testbed.run("model", "register", "net", training, "net.txt", "--alias", "champion")
    attack = submitted(
        testbed, str(tmp_path), "-x", "models", "-e", "attack", "-P", "model=model:net@champion"
    )
    testbed.run("wait", attack)
    assert "attacked weights" in testbed.run("logs", attack).stdout
    assert testbed.json("model", "show", "net@champion")["job"] == training
    testbed.run("model", "get", "net@champion", "-o", str(tmp_path / "fetched"))
    assert (tmp_path / "fetched/net.txt").read_text() == "weights"
    assert testbed.job(attack)["parameters"]["model"] == "model:net@champion"


def test_a_flood_of_output_is_bounded_and_marked(testbed: Testbed, probe: Path) -> None:
    job = submitted(testbed, str(probe), "-x", "probes", "-e", "flood")
    testbed.run("wait", job)
    logs = [event["data"] for event in events_of(testbed, job) if event["kind"] == "log"]
    text = "".join(log.get("text", "") for log in logs)
    assert text.startswith("before\n\\xff\\xfe not UTF-8 \\x00 and NUL\n")
    assert text.endswith("after, without a newline")
    assert len(text) < 40_000_000
    assert any(log.get("partial") for log in logs)
    assert sum(log.get("dropped", 0) for log in logs) > 50_000_000


def test_a_zip_with_the_project_in_a_folder_goes_through_curl_alone(
    testbed: Testbed, probe: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "probe.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in probe.iterdir():
            packed.write(path, f"some/folder/{path.name}")

    def curl(*arguments: str) -> Any:
        command = [
            "curl",
            "-sS",
            "--fail-with-body",
            "-H",
            f"Authorization: Bearer {testbed.token}",
            *arguments,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    api = f"{testbed.url}/api/v1"
    stored = curl("--data-binary", f"@{archive}", "-H", "Content-Type: application/zip", f"{api}/archives")
    assert {entry["name"] for entry in stored["entry_points"]} == {
        "main",
        "sleep",
        "tracked",
        "snoop",
        "flood",
    }
    asked = {"experiment": "curl", "archive": stored["sha256"], "parameters": {"n": 2}, "queue": "cpu"}
    job = curl("-H", "Content-Type: application/json", "-d", json.dumps(asked), f"{api}/jobs")
    seq, frames = -1, []
    for _ in range(60):
        page = curl(f"{api}/jobs/{job['id']}/events?after={seq}&wait=5")
        frames, seq = frames + page["events"], page["seq"]
        if page["end"]:
            break
    assert page["end"]["state"] == "succeeded"
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))


def test_a_job_goes_through_the_python_client(testbed: Testbed, probe: Path, tmp_path: Path) -> None:
    archive = tmp_path / "probe.tar.xz"
    with tarfile.open(archive, "w:xz") as packed:
        packed.add(probe, ".")
    with Client(testbed.url, testbed.token) as client:
        job = client.submit(archive, experiment="python", parameters={"n": 2})
        seen = list(client.follow(job.id))
        assert seen[-1].kind == "end"
        assert client.wait(job.id).state == "succeeded"
        assert "line 1" in client.log(job.id)
        assert {artifact.path for artifact in client.artifacts(job.id)} > {"arguments.json"}


def sleepers() -> int:
    """How many grandchildren of this run's probes are alive, wherever they hide."""
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            count += NAPS.encode() in (folder / "cmdline").read_bytes()
        except OSError:
            continue
    return count
