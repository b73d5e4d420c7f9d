"""`tiltyard replay` and `compare` as their users run them."""

import json
from pathlib import Path
from typing import Any

from tests.sdk.site import Site
from tests.servers import PATIENCE, wait_for
from tiltyard import Client
from tiltyard.cli.moving import Moving


def told(name: str, value: Any) -> dict[str, Any]:
    return {"kind": "metric", "data": {"name": name, "value": value, "step": 0}}


def ended(site: Site, client: Client, project: Path, *, accuracy: float, **parameters: Any) -> str:
    job = client.submit(project, experiment="again", parameters=parameters).id
    attempt = site.claim(job)
    attempt.report(told("accuracy", accuracy), told("bound", "NaN"))
    attempt.keep("out.txt", f"{accuracy}".encode())
    attempt.finish(exit_code=0)
    return job


def replayed(site: Site, client: Client, first: str, accuracy: float, *more: str) -> tuple[int, str, str]:
    running = site.begin("replay", first[:10], "--verify", *more)
    wait_for(lambda: any(one.parent == first for one in client.jobs(state="queued")))
    (made,) = (one for one in client.jobs(state="queued") if one.parent == first)
    attempt = site.claim(made.id)
    attempt.report(told("accuracy", accuracy), told("bound", "NaN"))
    attempt.finish(exit_code=0)
    out, err = running.communicate(timeout=PATIENCE)
    return running.returncode, out, err


def test_a_replay_that_comes_to_the_same_is_verified(site: Site, client: Client, project: Path) -> None:
    first = ended(site, client, project, accuracy=0.5, eps=0.3)
    code, out, err = replayed(site, client, first, 0.5)
    assert code == 0, err
    assert out.splitlines() == ["accuracy\t0.5\t0.5\tidentical", "bound\tNaN\tNaN\tidentical"]
    assert "outputs.out.txt" in err
    assert err.rstrip().endswith("identical")


def test_a_replay_that_comes_to_something_else_exits_with_1(
    site: Site, client: Client, project: Path
) -> None:
    first = ended(site, client, project, accuracy=0.5)
    code, out, _ = replayed(site, client, first, 0.6, "--json")
    found = json.loads(out)
    assert (code, found["verdict"]) == (1, "different")
    assert [(one["name"], one["verdict"]) for one in found["metrics"]] == [
        ("accuracy", "different"),
        ("bound", "identical"),
    ]
    code, out, _ = replayed(site, client, first, 0.6, "--json", "--tolerance", "0.5")
    assert (code, json.loads(out)["verdict"]) == (0, "within tolerance")


def test_a_replay_alone_prints_the_new_job(site: Site, client: Client, project: Path) -> None:
    first = ended(site, client, project, accuracy=0.5)
    (made,) = site.run("replay", first).stdout.split()
    assert client.job(made).parent == first
    client.cancel(made)


def test_what_has_not_ended_is_not_replayed(site: Site, job: str) -> None:
    assert "it is replayed when it has ended" in site.run("replay", job, code=1).stderr


def test_compare_shows_only_what_differs(site: Site, client: Client, project: Path) -> None:
    jobs = [ended(site, client, project, accuracy=eps, eps=eps) for eps in (0.2, 0.4)]
    lines = [line.split("\t") for line in site.run("compare", *jobs).stdout.splitlines()]
    assert [line[0] for line in lines] == ["parameters.eps", "metrics.accuracy", "outputs.out.txt"]
    assert lines[0][1:] == ["0.2", "0.4"]
    found = json.loads(site.run("compare", *jobs, "--all", "--json").stdout)
    assert found["jobs"] == jobs
    assert {"fact": "entry_point", "values": ["main", "main"]} in found["facts"]


def test_the_manifest_is_printed(site: Site, client: Client, project: Path) -> None:
    job = ended(site, client, project, accuracy=0.5, eps=0.3)
    found = json.loads(site.run("manifest", job[:10]).stdout)
    assert found == json.loads(site.run("manifest", job, "--json").stdout)
    assert (found["job"], found["metrics"]) == (job, {"accuracy": 0.5, "bound": "NaN"})


def test_one_job_is_compared_with_nothing(site: Site, job: str) -> None:
    site.run("compare", job, code=2)
    site.run("compare", job, "feedfacefeed", code=1)


def test_an_experiment_is_exported_and_what_was_changed_is_not_imported(
    site: Site, client: Client, project: Path, tmp_path: Path
) -> None:
    job = client.submit(project, experiment="travels").id
    attempt = site.claim(job)
    attempt.report(told("accuracy", 0.5))
    attempt.keep("out.txt", b"half")
    attempt.finish(exit_code=0)
    waiting = client.submit(project, experiment="travels").id
    done = site.run("export", "travels", "-o", str(tmp_path))
    bundle = tmp_path / "travels.tar"
    assert done.stdout.strip() == str(bundle)
    assert done.stderr.startswith("1 job, ")
    assert "1 had not ended and was left out" in done.stderr
    back = site.run("import", str(bundle), "--as", "elsewhere")
    assert "0 jobs came. 1 was here already." in back.stderr
    assert back.stdout == "", "there is no such experiment, for nothing came"
    bundle.write_bytes(bundle.read_bytes().replace(b"half", b"hall", 1))
    refused = site.run("import", str(bundle), code=1)
    assert "the bundle was changed since it was written" in refused.stderr
    site.run("import", str(tmp_path / "nowhere.tar"), code=2)
    site.run("export", "nothing-here", "-o", str(tmp_path), code=1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["travels.tar"]
    client.cancel(waiting)


def test_who_carries_a_bundle_is_told_how_far_it_is(
    site: Site, client: Client, project: Path, tmp_path: Path
) -> None:
    experiment = "watched"
    job = client.submit(project, experiment=experiment).id
    attempt = site.claim(job)
    attempt.keep("out.bin", bytes(3 << 20))
    attempt.finish(exit_code=0)
    came: list[tuple[int, int | None]] = []
    bundle = client.export_experiment(experiment, tmp_path, progress=lambda *one: came.append(one))
    whole = bundle.stat().st_size
    sent: list[tuple[int, int | None]] = []
    client.import_bundle(bundle, progress=lambda *one: sent.append(one))
    for told in (came, sent):
        assert [done for done, _ in told] == sorted({done for done, _ in told}), "more each time"
        assert {total for _, total in told} == {whole}
        assert told[-1][0] == whole
        assert len(told) > 2


def test_a_line_says_what_is_done_before_while_and_after_a_bundle_is_carried() -> None:
    line = Moving(before="The gateway gathers the jobs", after="Sent; the gateway checks and writes it")
    assert str(line).startswith("The gateway gathers the jobs, ")
    line.carried(1 << 20, 3 << 20)
    assert str(line).startswith("1.0 MiB of 3.0 MiB, ")
    line.carried(3 << 20, 3 << 20)
    assert str(line).startswith("Sent; the gateway checks and writes it, ")
    line.carried(5, None)
    assert str(line).startswith("5 B, ")
