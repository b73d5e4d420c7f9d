"""Bad input gets a clear error, says what would be right, and loses nothing."""

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.testbed import Testbed

PROJECT = (
    "entry_points:\n  main:\n    parameters:\n      eps: {type: float}\n    command: python x.py {eps}\n"
)


def packed(**files: str | tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))
    return out.getvalue()


def link(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return member


def named(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unknown_format"),
        (b"not an archive at all", "unknown_format"),
        (packed(MLproject=PROJECT)[:60], "damaged"),
        (packed(MLproject=PROJECT, x=link("x")), "link"),
        (packed(MLproject=PROJECT, x=named("../outside")), "parent_path"),
        (packed(MLproject=PROJECT, x=named("/etc/cron.d/x")), "absolute_path"),
        (packed(MLproject=PROJECT, a="1", A="2"), "duplicate"),
        (packed(readme="no project here"), "no_mlproject"),
        (packed(a__MLproject=PROJECT, b__MLproject=PROJECT), "two_mlprojects"),
    ],
)
def test_an_archive_that_breaks_a_rule_is_refused_by_the_rules_name(
    testbed: Testbed, body: bytes, code: str
) -> None:
    with testbed.http() as http:
        answer = http.post("/archives", content=body)
    problem = answer.json()
    assert answer.status_code in {400, 413, 422}, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert code in {problem["code"], *(item["code"] for item in problem["errors"])}, problem


@pytest.mark.parametrize(
    "project", ["entry_points: [", "just text", "entry_points: {}", "entry_points: {main: {command: 7}}"]
)
def test_a_malformed_project_is_refused_where_it_is_wrong(testbed: Testbed, project: str) -> None:
    with testbed.http() as http:
        answer = http.post("/archives", content=packed(MLproject=project))
    assert answer.status_code == 422
    assert all(item["pointer"].startswith("/MLproject") for item in answer.json()["errors"]), answer.json()
    assert answer.json()["errors"]


@pytest.fixture
def archive(testbed: Testbed) -> str:
    with testbed.http() as http:
        return str(
            http.post("/archives", content=packed(MLproject=PROJECT)).raise_for_status().json()["sha256"]
        )


def test_every_problem_of_a_submission_is_in_one_answer(testbed: Testbed, archive: str) -> None:
    asked = {
        "experiment": "bad", "archive": archive, "queue": "cqu", "timeout": "soon",
        "parameters": {"eps": "much", "epz": 1},
    }  # fmt: skip
    with testbed.http() as http:
        for path in ("/jobs", "/jobs:validate"):
            answer = http.post(path, json=asked)
            assert answer.status_code == 422
            pointers = {item["pointer"] for item in answer.json()["errors"]}
            assert pointers == {"/queue", "/timeout", "/parameters/eps", "/parameters/epz"}
        assert http.get("/jobs", params={"experiment": "bad"}).json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"entry_point": "mian"}, "/entry_point"),
        ({"archive": "0" * 64}, "/archive"),
        ({"parameters": {}}, "/parameters/eps"),
        ({"parameters": {"eps": [1]}}, "/parameters/eps"),
        ({"timeout": -1}, "/timeout"),
        ({"max_attempts": 0}, "/max_attempts"),
        ({"experiment": ""}, "/experiment"),
        ({"experiment": "a\0b"}, "/experiment"),
        ({"surprise": 1}, "/surprise"),
    ],
)
def test_each_bad_field_is_pointed_at(
    testbed: Testbed, archive: str, changes: dict[str, Any], pointer: str
) -> None:
    good = {"experiment": "bad", "archive": archive, "parameters": {"eps": 0.1}, "queue": "cpu"}
    with testbed.http() as http:
        answer = http.post("/jobs", json=good | changes)
    assert answer.status_code == 422, answer.text
    assert pointer in {item["pointer"] for item in answer.json()["errors"]}


def test_a_key_used_twice_is_one_job_and_for_another_request_an_error(testbed: Testbed, archive: str) -> None:
    asked = {"experiment": "keys", "archive": archive, "parameters": {"eps": 0.1}, "queue": "tensorflow"}
    with testbed.http() as http:
        key = {"Idempotency-Key": "the-second-click"}
        first, second = (http.post("/jobs", json=asked, headers=key).json()["id"] for _ in range(2))
        other = http.post("/jobs", json=asked | {"description": "changed"}, headers=key)
        assert first == second
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
        http.post(f"/jobs/{first}/cancel").raise_for_status()


def test_who_shows_no_token_gets_in_nowhere(testbed: Testbed) -> None:
    with testbed.http() as http:
        for token in ("", "Bearer wrong", "Basic dXNlcjpwdw=="):
            answer = http.get("/jobs", headers={"Authorization": token})
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
        assert http.get(f"{testbed.url}/health", headers={"Authorization": ""}).status_code == 200


def test_the_command_line_says_what_would_be_right(testbed: Testbed, probe: Path, tmp_path: Path) -> None:
    wrong = testbed.run("submit", str(probe), "-x", "bad", "-P", "n=many", "-P", "nn=1", "-q", "cqu", code=1)
    assert wrong.stdout == ""
    for said in ("/parameters/n", "whole number", "/parameters/nn", "/queue", "cpu"):
        assert said in wrong.stderr
    (tmp_path / "empty").mkdir()
    assert "MLproject" in testbed.run("submit", str(tmp_path / "empty"), code=1).stderr
    testbed.run("submit", str(tmp_path / "nowhere"), code=2)
    testbed.run("submit", str(probe), "-P", "no-equals-sign", code=2)
    assert "no job" in testbed.run("status", "feedfacefeed", code=1).stderr.lower()


def test_a_testbed_that_is_away_is_said_with_its_own_code(testbed: Testbed) -> None:
    away = Testbed(ring="none", url="http://127.0.0.1:9", token="ty_x", home=testbed.home)
    assert "127.0.0.1:9" in away.run("ls", code=6).stderr
