"""The life of a job as its user meets it on the command line and in Python: why, after, retry, clone, cancel, history."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.site import Site
from tests.servers import PATIENCE
from tiltyard import Client
from tiltyard.client import NotFound, Refused
from tiltyard.wire import Condition, Dependency, JobState, Reason, Waits


def submitted(site: Site, project: Path, *more: str) -> str:
    return site.run("submit", str(project), *more).stdout.strip()


def shown(site: Site, job: str) -> dict[str, Any]:
    return dict(json.loads(site.run("status", job, "--json").stdout))


def test_why_tells_what_a_job_waits_for_and_how_it_ended(site: Site, project: Path) -> None:
    first = submitted(site, project)
    second = submitted(site, project, "--after", f"{first[:10]}:any", "--start-at", "+1h")
    said = site.run("why", second).stdout
    assert f"waits for job {first} (queued) to end" in said
    assert "not to start before" in said
    attempt = site.claim(first)
    assert "It runs on w1" in site.run("why", first).stdout
    attempt.finish("failed", reason="exit_code", exit_code=3, message="The entry point exited with code 3.")
    said = site.run("why", first).stdout
    assert "exited with code 3" in said.splitlines()[0]
    assert "attempt 1 on w1" in said.splitlines()[1]
    site.run("cancel", second)


def test_a_queue_that_nobody_serves_is_told_at_once(site: Site, project: Path) -> None:
    done = site.run("submit", str(project), "-q", "tensorflow-gpu", "--queue-timeout", "1h")
    assert "no worker serves the queue tensorflow-gpu" in done.stderr
    job = done.stdout.strip()
    assert "no worker serves" in str(shown(site, job)["pending_reason"])
    assert "no worker serves" in site.run("why", job).stdout
    site.run("cancel", job)
    assert "It never started." in site.run("why", job).stdout


def test_a_paused_queue_is_told_and_resuming_it_is_named(client: Client, project: Path) -> None:
    client.create_queue("slow")
    client.update_queue("slow", paused=True)
    job = client.submit(project, experiment="life", queue="slow")
    codes = {one.code for one in client.why(job).pending}
    assert codes == {Waits.paused, Waits.no_worker}
    client.cancel(job)


def test_a_place_in_the_queue_is_told(site: Site, client: Client, project: Path) -> None:
    with site.as_worker() as http:
        beat = {"host": "here", "queue": "pytorch", "state": "busy", "fence": "none"}
        http.put("/workers/w1", json=beat).raise_for_status()
    jobs = [client.submit(project, experiment="life", queue="pytorch", priority=p) for p in (1, 9, 5)]
    places = {p: client.why(job).pending[0].position for p, job in zip((1, 9, 5), jobs, strict=True)}
    assert places == {9: 1, 5: 2, 1: 3}
    assert client.cancel_many(queue="pytorch", dry_run=True).matched == 3
    assert client.cancel_many(queue="pytorch").cancelled == 3


def test_a_failed_job_is_submitted_again_and_names_its_parent(site: Site, project: Path) -> None:
    job = submitted(site, project, "-P", "eps=0.7", "--tag", "paper")
    site.claim(job).finish("failed", reason="exit_code", exit_code=3)
    again = shown(site, site.run("retry", job).stdout.strip())
    assert (again["parent"], again["parameters"]["eps"], again["tags"]) == (job, 0.7, ["paper"])
    assert "has not ended" in site.run("retry", again["id"], code=1).stderr
    site.claim(again["id"]).finish()
    assert "clone it" in site.run("retry", again["id"], code=1).stderr


def test_a_clone_differs_in_what_is_given(site: Site, project: Path) -> None:
    job = submitted(site, project, "-P", "eps=0.7", "-P", "label=control", "--priority", "2")
    clone = shown(site, site.run("clone", job, "--set", "eps=0.9", "--priority", "8").stdout.strip())
    assert clone["parameters"] == {"eps": 0.9, "label": "control"}
    assert (clone["parent"], clone["priority"]) == (job, 8)
    wrong = site.run("clone", job, "--set", "epz=1", code=1)
    assert "/parameters/epz" in wrong.stderr
    for one in (job, clone["id"]):
        site.run("cancel", one)


def test_one_key_clones_once(client: Client, project: Path) -> None:
    job = client.submit(project, experiment="life")
    first, again = [client.clone(job, idempotency_key=f"of-{job.id}") for _ in range(2)]
    assert first.id == again.id
    with pytest.raises(Refused, match="another request"):
        client.clone(job, idempotency_key=f"of-{job.id}", priority=1)
    client.cancel_many(experiment="life")


def test_a_dependency_is_checked_when_it_is_submitted(client: Client, project: Path) -> None:
    with pytest.raises(Refused) as unknown:
        client.submit(project, experiment="life", after=["f" * 20])
    assert [(one.pointer, one.code) for one in unknown.value.errors] == [("/after/0/job", "unknown_job")]
    job = client.submit(project, experiment="life")
    with pytest.raises(Refused) as twice:
        client.submit(project, experiment="life", after=[job, job])
    assert twice.value.errors[0].code == "repeated"
    with pytest.raises(NotFound):
        client.submit(project, experiment="life", after=["feedfacefeed"])
    client.cancel(job)


def test_a_job_that_can_not_run_any_more_is_cancelled_and_says_why(client: Client, project: Path) -> None:
    first = client.submit(project, experiment="life")
    dependent = client.submit(project, experiment="life", after=[first])
    other = client.submit(
        project, experiment="life", after=[Dependency(job=first.id, condition=Condition.any)],
        start_at=datetime.now(UTC) + timedelta(days=1),
    )  # fmt: skip
    client.cancel(first)
    ended = client.wait(dependent, timeout=PATIENCE)
    assert (ended.state, ended.reason) == (JobState.cancelled, Reason.dependency)
    assert first.id in str(ended.message)
    with pytest.raises(Refused, match="never ran"):
        client.retry(dependent)
    assert client.job(other).state is JobState.waiting
    client.cancel(other)


def test_what_fits_is_counted_before_it_is_cancelled(site: Site, project: Path) -> None:
    jobs = [submitted(site, project, "--tag", "bulk") for _ in range(3)]
    site.claim(jobs[0])
    assert site.run("cancel", "--tag", "bulk", "--dry-run").stdout == "3 jobs would be cancelled.\n"
    assert "say --yes" in site.run("cancel", "--tag", "bulk", code=2).stderr
    done = site.run("cancel", "--tag", "bulk", "--yes").stderr
    assert done == "2 jobs cancelled; 1 running is asked to end.\n"
    assert shown(site, jobs[0])["cancel_requested"] is True
    assert "No job fits" in site.run("cancel", "--tag", "nobody", "--yes").stderr
    site.run("cancel", code=2)
    site.run("cancel", jobs[0], "--tag", "bulk", code=2)


def test_a_worker_is_told_to_drain_and_to_rejoin(site: Site, client: Client, project: Path) -> None:
    attempt = site.claim(submitted(site, project))
    site.run("worker", "drain", "w1")
    (w1,) = [one for one in client.workers() if one.id == "w1"]
    assert w1.order == "drain"
    job = submitted(site, project)
    with site.as_worker() as http:
        asked = {"worker": "w1", "token": "tya_" + "x" * 43}
        refused = http.post("/queues/cpu/claim", json=asked)
    assert (refused.status_code, refused.json()["detail"]) == (409, "worker w1 is told to drain")
    site.run("worker", "rejoin", "w1")
    attempt.finish()
    site.claim(job).finish()
    assert "there is no worker" in site.run("worker", "stop", "nobody", code=1).stderr


def test_jobs_that_ended_long_ago_leave_the_tables_and_can_be_read(
    site: Site, client: Client, project: Path, tmp_path: Path
) -> None:
    job = submitted(site, project, "-x", "old")
    attempt = site.claim(job)
    attempt.print("once upon a time\n")
    attempt.keep("picture.txt", b"paint")
    attempt.finish()
    before = [event.model_dump(mode="json") for event in client.events(job)]
    waited_for = submitted(site, project, "-x", "old")
    site.claim(waited_for).finish()
    assert "would be exported" in site.run("history", "prune", "--older-than", "90d", "--dry-run").stdout
    assert site.run("history", "prune", "--older-than", "1d", "--json").stdout.startswith('{"matched": 0')
    site.run("history", "prune", "--older-than", "0.001s")
    assert job in [one.id for one in client.exported()]
    gone = site.run("status", job, code=1).stderr
    assert f"tiltyard history show {job}" in gone
    path = site.run("history", "get", job, "-o", str(tmp_path)).stdout.strip()
    with gzip.open(path, "rt") as packed:
        record = [json.loads(line) for line in packed]
    assert record[0]["job"]["id"] == job
    assert [line["event"] for line in record if "event" in line] == before
    assert [line["artifact"]["path"] for line in record if "artifact" in line] == ["picture.txt"]
    assert [one["path"] for one in record[-1]["manifest"]["outputs"]] == ["picture.txt"]
    assert site.run("history", "show", job).stdout.count("\n") == len(record)
    assert "soon" in site.run("history", "prune", "--older-than", "soon", code=1).stderr
    assert "36500d" in site.run("history", "prune", "--older-than", "200000d", code=1).stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--after", "abc:maybe"),
        ("--start-at", "soon"),
        ("--start-at", "+5y"),
        ("--priority", "10"),
        ("--retry-on", "boredom"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(site: Site, project: Path, wrong: tuple[str, str]) -> None:
    site.run("submit", str(project), *wrong, code=2)
