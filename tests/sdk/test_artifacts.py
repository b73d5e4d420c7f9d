"""A job's files on the command line and from Python: whole trees, links, archives, and files that are added."""

import json
import tarfile
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.sdk.site import Site
from tiltyard import Client
from tiltyard.client import Refused

HOSTILE = {
    "CON": b"reserved", "Data.csv": b"1", "data.csv": b"2", "a\\..\\..\\b": b"backslashes", "line\nfeed": b"feed",
    "x\u202ecod.exe": b"turned", "end.": b"dot", "l" * 250: b"long", "-rf": b"option", "deep/er/é.txt": b"deep",
}  # fmt: skip


@pytest.fixture
def left(site: Site, job: str) -> str:
    """A job that left files with names that nobody should use."""
    claimed = site.claim(job)
    for path, body in HOSTILE.items():
        claimed.keep(quote(path), body)
    claimed.finish("succeeded")
    return job


def below(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_a_whole_tree_stays_in_its_folder_whatever_the_names(
    client: Client, left: str, tmp_path: Path
) -> None:
    before = below(tmp_path)
    saved = client.fetch_artifacts(left, tmp_path / "into")
    assert {path: where.read_bytes() for path, where in saved.items()} == HOSTILE
    assert len(below(tmp_path / "into")) == len(HOSTILE)
    inside = {f"into/{name}": body for name, body in below(tmp_path / "into").items()}
    assert below(tmp_path) == before | inside


def test_a_link_in_the_folder_leads_no_file_away(client: Client, left: str, tmp_path: Path) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "away").mkdir()
    (tmp_path / "into/deep").symlink_to(tmp_path / "away")
    with pytest.raises(Exception, match="a link there leads away"):
        client.fetch_artifacts(left, tmp_path / "into")
    assert not list((tmp_path / "away").iterdir())


def test_a_folder_a_file_and_an_archive_are_fetched_by_the_command_line(
    site: Site, left: str, tmp_path: Path
) -> None:
    site.run("artifacts", "get", left, "deep", "-o", str(tmp_path / "folder"))
    assert below(tmp_path / "folder") == {"er/é.txt": b"deep"}
    site.run("artifacts", "get", left, "Data.csv", "deep/er", "-o", str(tmp_path / "two"))
    assert below(tmp_path / "two") == {"Data.csv": b"1", "deep/er/é.txt": b"deep"}
    done = site.run("artifacts", "get", left, "--all", "--as", "tar", "-o", str(tmp_path), "--json")
    with tarfile.open(json.loads(done.stdout)[0]) as tar:
        assert len(tar.getnames()) == len(HOSTILE)
    site.run("artifacts", "get", left, "nowhere", "-o", str(tmp_path / "none"), code=1)


def test_a_folder_is_added_to_a_job_and_never_replaces_anything(
    site: Site, client: Client, left: str, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/one.txt").write_text("one")
    for _ in range(2):
        assert site.run("artifacts", "put", left, str(tmp_path / "notes")).stdout == "notes/one.txt\n"
    (tmp_path / "notes/one.txt").write_text("two")
    with pytest.raises(Refused, match="other content"):
        client.add_artifact(left, tmp_path / "notes/one.txt", "notes/one.txt")


def test_a_link_is_printed_that_opens_without_a_token(site: Site, left: str) -> None:
    url = site.run("artifacts", "link", left, "deep/er/é.txt", "--seconds", "60").stdout.strip()
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"deep"


def test_a_model_without_an_mlflow_is_told(site: Site) -> None:
    done = site.run("model", "ls", code=1)
    assert "has no MLflow" in done.stderr
    site.run("model", "show", "a/b/c", code=2)
