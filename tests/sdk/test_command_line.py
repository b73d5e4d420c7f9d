"""The command line as its users run it: real processes, real exit codes, a real gateway."""

import json
import os
import signal
from pathlib import Path

import pytest
import typer

from tests.sdk.site import Site
from tests.servers import PATIENCE, free_port, wait_for
from tiltyard import Client
from tiltyard.cli.root import load

ENDS = [
    (("succeeded", {}), 0),
    (("failed", {"reason": "exit_code", "exit_code": 3, "message": "it exited with 3"}), 1),
    (("cancelled", {"reason": "cancel_requested"}), 3),
    (("failed", {"reason": "timed_out", "message": "it ran too long"}), 4),
    (("failed", {"reason": "worker_lost", "message": "its worker was lost"}), 5),
]


def test_submit_prints_the_id_alone_and_says_on_stderr_what_comes_next(site: Site, project: Path) -> None:
    done = site.run("submit", str(project), "-P", "eps=0.5", "--tag", "paper")
    (job,) = done.stdout.splitlines()
    assert f"tiltyard logs -f {job[:8]}" in done.stderr
    shown = json.loads(site.run("status", job, "--json").stdout)
    assert (shown["parameters"], shown["tags"]) == ({"eps": 0.5, "label": ""}, ["paper"])
    assert shown["experiment"] == "probe"


def test_everything_wrong_with_a_submission_is_said_at_once_with_its_place(site: Site, project: Path) -> None:
    wrong = ["-P", "eps=much", "-P", "eqs=1", "-q", "cqu", "--timeout", "soon"]
    done = site.run("submit", str(project), *wrong, code=1)
    assert done.stdout == ""
    for pointer in ("/parameters/eps", "/parameters/eqs", "/queue", "/timeout"):
        assert f"tiltyard: {pointer}: " in done.stderr
    assert site.run("submit", str(project), *wrong, "--wait", code=2).stdout == ""
    problem = json.loads(site.run("submit", str(project), *wrong, "--json", code=1).stderr)
    assert len(problem["errors"]) == 4


def test_what_holds_no_entry_point_is_told_before_anything_is_packed(
    site: Site, project: Path, tmp_path: Path
) -> None:
    script = site.run("submit", str(project / "main.py"), code=1).stderr
    assert f"neither an archive nor a graph's .yaml file: name its folder, {project}" in script
    home = tmp_path / "home"
    home.mkdir()
    os.mkfifo(home / "a pipe, which no archive may hold")
    (home / "plugin.toml").touch()
    folder = site.run("submit", str(home), code=1).stderr
    assert f"{home} has no MLproject" in folder
    assert "`tiltyard plugin push` takes plugins" in folder
    (home / "deeper").mkdir()
    (home / "deeper" / "MLproject").touch()
    assert "a pipe" in site.run("submit", str(home), code=1).stderr


def test_what_cannot_be_meant_is_a_usage_error(site: Site, project: Path) -> None:
    site.run("submit", str(project / "nowhere"), code=2)
    site.run("submit", str(project), "-P", "eps", code=2)
    site.run("submit", str(project), "-P", "eps=1", "-P", "eps=2", code=2)
    site.run("lss", code=2)
    assert "65535" in site.run("up", "--port", "70000", code=2).stderr
    site.run("wait", "feedfacefeed", code=2)
    site.run("status", "feedfacefeed", code=1)


def test_a_dry_run_shows_the_command_and_starts_nothing(site: Site, project: Path) -> None:
    done = site.run("submit", str(project), "-x", "dry", "-P", "label=it's $HOME", "--dry-run")
    assert "--eps 0.1" in done.stdout
    assert "no worker" in done.stderr or done.stderr == ""
    assert json.loads(site.run("ls", "-x", "dry", "--json").stdout) == []


@pytest.mark.parametrize(("end", "code"), ENDS)
def test_wait_exits_with_how_the_job_ended(
    site: Site, project: Path, end: tuple[str, dict[str, str]], code: int
) -> None:
    job = site.run("submit", str(project), "--max-attempts", "1").stdout.strip()
    attempt = site.claim(job)
    waiting = site.begin("wait", job[:10])
    attempt.print("working\n")
    attempt.finish(end[0], **end[1])
    out, err = waiting.communicate(timeout=PATIENCE)
    assert waiting.returncode == code, err
    assert job in out
    assert site.run("wait", job, code=code).stdout == out


def test_submit_that_follows_prints_the_log_and_exits_with_the_end(site: Site, project: Path) -> None:
    following = site.begin("submit", str(project), "--follow")
    assert following.stdout is not None
    job = following.stdout.readline().strip()
    attempt = site.claim(job)
    attempt.print("one\n", "two\n")
    attempt.finish("failed", reason="exit_code", exit_code=1, message="it exited with 1")
    out, err = following.communicate(timeout=PATIENCE)
    assert (out, following.returncode) == ("one\ntwo\n", 1)
    assert "it exited with 1" in err


def test_logs_wait_for_the_start_and_show_every_line_once_to_the_end(site: Site, job: str) -> None:
    early = site.begin("logs", "-f", job)
    attempt = site.claim(job)
    attempt.print("a\n", "half ")
    assert site.run("logs", job).stdout == "a\nhalf "
    late = site.begin("logs", "-f", job)
    attempt.print("line\n")
    attempt.print("noise\n", stream="stderr")
    attempt.finish()
    for following in (early, late):
        out, _ = following.communicate(timeout=PATIENCE)
        assert (out, following.returncode) == ("a\nhalf line\nnoise\n", 0)
    assert site.run("logs", job, "--stream", "stderr").stdout == "noise\n"
    split = site.run("logs", job, "--split")
    assert (split.stdout, split.stderr) == ("a\nhalf line\n", "noise\n")
    pieces = [json.loads(line) for line in site.run("logs", "-f", job, "--json").stdout.splitlines()]
    assert [piece["data"]["text"] for piece in pieces] == ["a\n", "half ", "line\n", "noise\n"]


def test_events_are_json_lines_with_an_end(site: Site, job: str) -> None:
    attempt = site.claim(job)
    attempt.report({"kind": "metric", "data": {"name": "accuracy", "value": 0.5, "step": 1}})
    attempt.finish()
    frames = [json.loads(line) for line in site.run("events", "-f", job, "--json").stdout.splitlines()]
    end = frames.pop()
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))
    assert (end["kind"], end["state"], end["seq"]) == ("end", "succeeded", len(frames) - 1)
    later = [
        json.loads(line) for line in site.run("events", job, "--after", "1", "--json").stdout.splitlines()
    ]
    assert later == frames[2:]
    plain = site.run("events", job).stdout.splitlines()
    assert [line.split("\t")[2] for line in plain] == ["state", "state", "metric", "state"]


def test_the_beginning_of_an_id_is_enough(site: Site, job: str) -> None:
    assert json.loads(site.run("status", job[:12], "--json").stdout)["id"] == job


def test_leaving_with_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(site: Site, job: str) -> None:
    attempt = site.claim(job)
    attempt.print("started\n")
    following = site.begin("logs", "-f", job)
    assert following.stdout is not None
    assert following.stdout.readline() == "started\n"
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=PATIENCE)
    assert following.returncode == 130
    assert f"tiltyard logs -f {job[:8]}" in err
    assert json.loads(site.run("status", job, "--json").stdout)["state"] == "running"
    attempt.finish()


def test_a_pipe_that_is_closed_ends_the_command_quietly(site: Site, job: str) -> None:
    attempt = site.claim(job)
    attempt.print("first\n")
    following = site.begin("logs", "-f", job)
    assert following.stdout is not None
    assert following.stderr is not None
    following.stdout.readline()
    following.stdout.close()
    attempt.print("second\n")
    assert following.wait(PATIENCE) == 141
    assert following.stderr.read() == ""
    following.stderr.close()
    attempt.finish()


def test_artifacts_are_listed_and_fetched(site: Site, job: str, tmp_path: Path) -> None:
    attempt = site.claim(job)
    attempt.keep("deep/naïve name.txt", b"one")
    attempt.keep("table.csv", b"two")
    attempt.finish()
    listed = json.loads(site.run("artifacts", "ls", job, "--json").stdout)
    assert [item["path"] for item in listed] == ["deep/naïve name.txt", "table.csv"]
    site.run("artifacts", "get", job, "table.csv", "-o", str(tmp_path / "got.csv"))
    assert (tmp_path / "got.csv").read_bytes() == b"two"
    site.run("artifacts", "get", job, "-o", str(tmp_path / "all"))
    assert (tmp_path / "all/deep/naïve name.txt").read_bytes() == b"one"
    for path, said in (
        ("tabel.csv", "did you mean table.csv?"),
        ("nothing", f"`tiltyard artifacts ls {job[:8]}`"),
    ):
        assert said in site.run("artifacts", "get", job, path, code=1).stderr


def test_cancel_ends_a_queued_job_at_once(site: Site, job: str) -> None:
    assert json.loads(site.run("cancel", job, "--json").stdout)["state"] == "cancelled"
    site.run("wait", job, code=3)


def test_queues_experiments_and_workers_are_seen_and_changed(site: Site, job: str) -> None:
    assert json.loads(site.run("queue", "pause", "tensorflow", "--json").stdout)["paused"] is True
    site.run("queue", "resume", "tensorflow")
    queues = {queue["name"]: queue for queue in json.loads(site.run("queue", "ls", "--json").stdout)}
    assert queues["tensorflow"]["paused"] is False
    site.run("queue", "create", "jax-gpu", "--description", "JAX on a GPU")
    assert "jax-gpu\topen\t0\t0\t0\tJAX on a GPU" in site.run("queue", "ls").stdout.splitlines()
    site.run("experiment", "create", "fresh one", "--description", "empty")
    assert "fresh one" in site.run("experiment", "ls").stdout
    site.run("experiment", "rm", "fresh one")
    site.claim(job).finish()
    workers = json.loads(site.run("worker", "ls", "--json").stdout)
    assert [worker["id"] for worker in workers] == ["w1"]


def test_a_server_that_is_away_has_its_own_exit_code(site: Site, job: str) -> None:
    away = {"TILTYARD_URL": f"http://127.0.0.1:{free_port()}"}
    for process in [site.begin(*verb, **away) for verb in (["ls"], ["wait", job], ["logs", "-f", job])]:
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 6
        assert "cannot be reached: nothing listens there" in err


def test_a_wrong_token_is_said_as_such_and_where_it_is_from(site: Site) -> None:
    told = "tiltyard: The testbed does not know the token in TILTYARD_TOKEN, or it was revoked.\n"
    assert site.run("ls", code=1, TILTYARD_TOKEN="ty_wrong").stderr == told
    profile = site.home / "tiltyard" / "profile.json"
    profile.parent.mkdir(parents=True, exist_ok=True)
    profile.write_text(json.dumps({"url": site.url, "token": "ty_old"}))
    try:
        assert str(profile) in site.run("ls", code=1, TILTYARD_URL="", TILTYARD_TOKEN="").stderr
    finally:
        profile.unlink()


def test_an_experiment_with_jobs_is_removed_only_when_that_is_said(site: Site, project: Path) -> None:
    site.run("cancel", site.run("submit", str(project), "-x", "precious").stdout.strip())
    refused = site.run("experiment", "rm", "precious", code=2)
    assert refused.stderr == "tiltyard: 1 job would be removed, with history and files; say --yes\n"
    assert "precious" in site.run("experiment", "ls").stdout
    site.run("experiment", "rm", "precious", "--yes")
    assert "precious" not in site.run("experiment", "ls").stdout


def test_an_empty_id_and_a_name_with_a_slash_are_told_as_what_they_are(site: Site) -> None:
    for verb in (["status", ""], ["queue", "pause", "a/b"]):
        told = site.run(*verb, code=1).stderr
        assert "there is nothing at " in told, verb
        assert "empty, or holds a slash" in told, verb


def test_what_an_encoding_has_no_sign_for_is_printed_as_an_escape(site: Site) -> None:
    site.run("queue", "create", "elsewhere-gpu", "--description", "±1 GPU")
    for encoding, shown in (("ascii", "\\xb11 GPU"), ("utf-8", "±1 GPU")):
        assert shown in site.run("queue", "ls", PYTHONIOENCODING=encoding).stdout


def test_no_testbed_says_what_to_do(site: Site) -> None:
    done = site.run("ls", code=2, TILTYARD_URL="", TILTYARD_TOKEN="")
    assert done.stderr.startswith("tiltyard: No testbed is known here. Start one with `tiltyard up`")


def test_waiting_outlives_a_gateway_that_is_stopped_and_started_again(
    site: Site, client: Client, job: str
) -> None:
    attempt = site.claim(job)
    attempt.print("before\n")
    following = site.begin("logs", "-f", job)
    assert following.stdout is not None
    assert following.stdout.readline() == "before\n"
    site.stop()
    site.start()
    attempt.print("after\n")
    attempt.finish()
    wait_for(lambda: following.poll() is not None)
    assert (following.stdout.read(), following.returncode) == ("after\n", 0)
    following.communicate()


def test_a_verb_of_the_server_install_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        load("tiltyard_of_another_install.command:up")
    assert "pip install 'tiltyard[embedded]'" in capsys.readouterr().err


def test_worker_starts_one_or_lists_them(site: Site) -> None:
    assert "--queue" in site.run("worker", "start", "--help").stdout
    assert "worker ls" in site.run("worker", "--help").stdout
    site.run("worker", "--queue", "cpu", code=2)
