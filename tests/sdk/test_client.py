"""The Python client against a real gateway: what it sends once, twice and never."""

import os
import tarfile
import threading
from pathlib import Path

import pytest

from tests.sdk.site import Site
from tiltyard import AsyncClient, Client, NotFound, Refused, Unauthorized
from tiltyard.archive import ArchiveRefused
from tiltyard.wire import End, Event


def test_a_folder_is_sent_once_and_known_by_its_content_after_that(client: Client, project: Path) -> None:
    (project / "data.bin").write_bytes(os.urandom(700_000))
    told: list[tuple[int, int]] = []
    first = client.upload(project, progress=lambda sent, total: told.append((sent, total)))
    assert told[-1][0] == told[-1][1] == first.size
    told.clear()
    os.utime(project / "main.py", (0, 0))
    assert (
        client.upload(project, progress=lambda sent, total: told.append((sent, total))).sha256 == first.sha256
    )
    assert told == []


def test_an_archive_file_is_sent_as_it_is(client: Client, project: Path, tmp_path: Path) -> None:
    packed = tmp_path / "probe.tar.xz"
    with tarfile.open(packed, "w:xz") as archive:
        archive.add(project, "some/folder")
    stored = client.upload(packed)
    assert (stored.format, stored.project, stored.name) == ("tar.xz", "some/folder", "probe")
    assert [parameter.name for parameter in stored.entry_points[0].parameters] == ["eps", "label"]


def test_a_link_in_a_folder_is_refused_before_anything_is_sent(client: Client, project: Path) -> None:
    (project / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveRefused, match="link"):
        client.upload(project)


def test_the_same_key_submits_once(client: Client, project: Path) -> None:
    archive = client.upload(project)
    first = client.submit(archive, experiment="keys", idempotency_key="one")
    again = client.submit(archive.sha256, experiment="keys", idempotency_key="one")
    other = client.submit(archive, experiment="keys")
    assert first.id == again.id != other.id
    with pytest.raises(Refused) as caught:
        client.submit(archive, experiment="keys", entry_point="main", queue="pytorch", idempotency_key="one")
    assert caught.value.code == "idempotency_key_reused"


def test_scalars_of_numpy_and_paths_are_understood(client: Client, project: Path) -> None:
    numpy = pytest.importorskip("numpy")
    values = {"eps": numpy.linspace(0, 1, 5)[1], "label": Path("a/b")}
    assert client.submit(project, experiment="numpy", parameters=values).parameters == {
        "eps": 0.25,
        "label": "a/b",
    }


def test_everything_wrong_is_in_one_error(client: Client, project: Path) -> None:
    with pytest.raises(Refused) as caught:
        client.submit(project, experiment="wrong", parameters={"eps": "much", "other": 1}, timeout="soon")
    assert {item.pointer for item in caught.value.errors} == {
        "/parameters/eps",
        "/parameters/other",
        "/timeout",
    }


def test_a_job_is_followed_to_its_end_and_its_log_and_files_are_had(
    site: Site, client: Client, job: str, tmp_path: Path
) -> None:
    attempt = site.claim(job)
    attempt.print("hello\n")
    attempt.keep("report.txt", b"fine")
    attempt.finish()
    *events, last = client.follow(job)
    assert isinstance(last, End)
    assert [event.seq for event in events] == list(range(last.seq + 1))
    assert client.wait(job).state == "succeeded"
    assert client.log(job) == "hello\n"
    assert client.events(job, after=last.seq - 1) == events[-1:]
    (artifact,) = client.artifacts(job)
    assert client.download(job, artifact.path, tmp_path).read_bytes() == b"fine"
    with pytest.raises(NotFound):
        client.download(job, "other.txt", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name != "probe"] == ["report.txt"]


def test_many_jobs_are_followed_by_one_connection(site: Site, client: Client, project: Path) -> None:
    jobs = [client.submit(project, experiment="many") for _ in range(3)]
    for job in jobs:
        attempt = site.claim(job.id)
        attempt.print("x\n")
        attempt.finish()
    frames = list(client.follow_many(jobs=jobs))
    for job in jobs:
        own = [frame for frame in frames if frame.job == job.id]
        assert [frame.seq for frame in own[:-1]] == list(range(len(own) - 1))
        assert isinstance(own[-1], End)
    one = next(frame for frame in client.follow_many(experiment="many") if isinstance(frame, Event))
    assert one.seq == 0


def test_waiting_has_a_limit_where_one_is_given(client: Client, job: str) -> None:
    with pytest.raises(TimeoutError):
        client.wait(job, timeout=0.2)
    assert client.job(job[:8]).state == "queued"


def test_lists_are_read_page_by_page(client: Client, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiltyard.client.pages.PAGE_SIZE", 2)
    made = [client.submit(project, experiment="pages").id for _ in range(5)]
    assert [job.id for job in client.jobs(experiment="pages")] == made[::-1]
    assert [job.id for job in client.jobs(experiment="pages", state="running")] == []


def test_a_wrong_token_is_unauthorized(site: Site, job: str) -> None:
    with Client(site.url, "ty_wrong") as stranger:
        with pytest.raises(Unauthorized):
            stranger.job(job)
        with pytest.raises(Unauthorized):
            list(stranger.follow("5eed" * 5))


def test_a_client_serves_many_threads_and_ends_with_its_block(site: Site, job: str) -> None:
    with Client(site.url, site.token) as client:
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(client.job(job).id)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [job] * 4
    with pytest.raises(RuntimeError, match="closed"):
        client.job(job)


async def test_the_async_client_does_the_same(site: Site, project: Path) -> None:
    async with AsyncClient(site.url, site.token) as client:
        job = await client.submit(project, experiment="async", tags=["one"])
        assert [found.id async for found in client.jobs(experiment="async", tag="one")] == [job.id]
        assert (await client.cancel(job)).state == "cancelled"
        assert (await client.wait(job)).state == "cancelled"
