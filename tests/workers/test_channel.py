"""What a script says on its socket is believed in form alone; what is malformed is left out, and what follows is heard."""

import json
import math
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import pytest

from tests.servers import wait_for
from tiltyard_workers.supervisor.channel import (
    LONGEST_LINE,
    LONGEST_MESSAGE,
    PROGRESS_SECONDS,
    Channel,
)
from tiltyard_workers.untrusted import LONGEST_NAME

AFTER = b'{"kind": "metric", "data": {"name": "after", "value": 1}}'
Say = Callable[..., None]


class Heard:
    """What a channel told, in order."""

    def __init__(self) -> None:
        self.everything: list[tuple[str, dict[str, Any]]] = []
        self._lock = Lock()

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        with self._lock:
            self.everything.append((kind, data))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for said, data in self.everything if said == kind]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def path() -> Iterator[Path]:
    # A socket's path is short, and a test's folder is not.
    with TemporaryDirectory(prefix="ty-test-") as folder:
        yield Path(folder) / "run.sock"


@pytest.fixture
def channel(path: Path, heard: Heard) -> Channel:
    channel = Channel(path, heard.tell)
    channel.start()
    return channel


@pytest.fixture
def say(channel: Channel, path: Path) -> Iterator[Say]:
    """Say lines on one connection, and close the channel when all is said."""
    closed = []

    def everything(*lines: bytes) -> None:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(path))
            for line in lines:
                wire.sendall(line + b"\n")
        closed.append(channel.close())

    yield everything
    if not closed:
        channel.close()


def line(kind: str, **data: object) -> bytes:
    return json.dumps({"kind": kind, "data": data}).encode()


def test_a_metric_is_told_as_it_was_said(say: Say, heard: Heard) -> None:
    say(line("metric", name="loss", value=0.5, step=3), line("metric", name="count", value=7))
    assert heard.of("metric") == [
        {"name": "loss", "value": 0.5, "step": 3},
        {"name": "count", "value": 7, "step": None},
    ]


def test_an_artifact_is_told_by_its_path(say: Say, heard: Heard) -> None:
    say(line("artifact", path="folder/naïve name.png"))
    assert heard.everything == [("artifact", {"path": "folder/naïve name.png"})]


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, "NaN", "Infinity", "-Infinity"])
def test_a_value_that_json_has_no_number_for_is_told_as_its_name(
    say: Say, heard: Heard, said: float | str
) -> None:
    say(line("metric", name="loss", value=said))
    named = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(said, said)
    assert [metric["value"] for metric in heard.of("metric")] == ["NaN" if named != named else named]  # noqa: PLR0124


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not json", id="not-json"),
        pytest.param(b"\xff\xfe\x00", id="not-text"),
        pytest.param(b"\0" * 1000, id="nul"),
        pytest.param(b"[1]", id="a-list"),
        pytest.param(b"[" * 60_000, id="nested-deep"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="nested-deep-and-closed"),
        pytest.param(line("metric", name="x" * (1 << 20), value=1), id="too-long"),
        pytest.param(line("artifact", path="x" * LONGEST_LINE), id="a-little-too-long"),
        pytest.param(line("state", state="succeeded"), id="another-kind"),
        pytest.param(line("log", stream="stdout", text="forged"), id="a-log"),
        pytest.param(b'{"kind": ["metric"], "data": 7}', id="kinds-of-another-type"),
        pytest.param(line("metric", name=7, value=1), id="a-name-that-is-none"),
        pytest.param(line("metric", name="loss"), id="no-value"),
        pytest.param(line("metric", name="loss", value=True), id="a-truth-value"),
        pytest.param(line("metric", name="loss", value="7"), id="a-number-in-quotes"),
        pytest.param(line("metric", name="loss", value=1, step=1.5), id="half-a-step"),
        pytest.param(line("metric", name="loss", value=1, step=2**63), id="a-step-too-large"),
        pytest.param(line("metric", name="loss", value=10**400), id="larger-than-any-float"),
        pytest.param(line("metric", name="loss", value=1, step=10**400), id="a-step-larger-than-any-float"),
        pytest.param(
            b'{"kind": "metric", "data": {"name": "x", "value": 1' + b"0" * 9000, id="endless-digits"
        ),
        pytest.param(line("progress", done="all", total=1), id="progress-of-no-number"),
        pytest.param(line("progress", done=10**400, total=1), id="progress-larger-than-any-float"),
        pytest.param(line("artifact", path=["a"]), id="a-path-that-is-none"),
    ],
)
def test_a_hostile_line_is_left_out_and_the_next_is_heard(say: Say, heard: Heard, hostile: bytes) -> None:
    say(hostile, AFTER)
    assert heard.everything == [("metric", {"name": "after", "value": 1, "step": None})]


def test_a_name_is_bounded_and_shown_without_nul_and_without_half_characters(say: Say, heard: Heard) -> None:
    say(
        line("metric", name="x" * 5_000, value=1),
        line("metric", name="a\0b", value=1),
        line("metric", name="\ud800", value=1),
    )
    assert [metric["name"] for metric in heard.of("metric")] == ["x" * LONGEST_NAME, "a\\x00b", "\\ud800"]


def test_a_note_of_any_kind_is_text_in_the_end(say: Say, heard: Heard) -> None:
    say(line("progress", done=1, total=None, note={"a": "\0"}))
    assert heard.of("progress") == [{"done": 1, "total": None, "note": "{'a': '\\x00'}"}]


def test_of_many_steps_few_are_told_and_the_last_always(say: Say, heard: Heard) -> None:
    say(*(line("progress", done=done, total=10_000) for done in range(10_001)))
    told = [progress["done"] for progress in heard.of("progress")]
    assert told[-1] == 10_000
    assert told == sorted(told)
    assert len(told) < 100


def test_a_step_before_a_silence_is_told_without_another(channel: Channel, path: Path, heard: Heard) -> None:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.sendall(line("progress", done=1, total=3) + b"\n" + line("progress", done=2, total=3) + b"\n")
        wait_for(lambda: heard.of("progress")[-1:] == [{"done": 2, "total": 3, "note": ""}])
    channel.close()


def test_a_line_that_comes_in_pieces_is_one_line(channel: Channel, path: Path, heard: Heard) -> None:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for byte in AFTER + b"\n":
            wire.send(bytes([byte]))
        wait_for(lambda: heard.of("metric"))
    channel.close()


def test_what_was_said_before_the_end_is_heard_also_on_a_connection_that_stays_open(
    channel: Channel, path: Path, heard: Heard
) -> None:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(path))
        wire.sendall(b"".join(line("metric", name="n", value=n) + b"\n" for n in range(1_000)))
        channel.close()
    assert [metric["value"] for metric in heard.of("metric")] == list(range(1_000))
    assert PROGRESS_SECONDS < 1, "the end does not wait long for who says nothing more"


def test_steps_and_flows_are_told_in_the_words_that_there_are(say: Say, heard: Heard) -> None:
    say(
        line("step", name="train", status="started"),
        line("step", name="train", status="finished", seconds=1.5, message=""),
        line("step", name="train", status="exploded"),
        line("step", name="train", status="failed", seconds="long", message="x" * 5_000),
        line("step", status="failed"),
        line("flow", name="main", status="failed", message="ValueError: \0"),
        line("flow", name="main", status="retried", flows=["1", 2]),
        line("flow", name="main", status="failed", flows="1"),
        line("flow", name="main", status="started"),
        line("flow", name="main", status="exploded"),
    )
    assert heard.of("step") == [
        {"name": "train", "status": "started"},
        {"name": "train", "status": "finished", "seconds": 1.5},
        {"name": "train", "status": "failed", "message": "x" * LONGEST_MESSAGE},
    ]
    assert heard.of("flow") == [
        {"name": "main", "status": "failed", "message": "ValueError: \\x00"},
        {"name": "main", "status": "retried", "flows": ["1", "2"]},
        {"name": "main", "status": "failed"},
        {"name": "main", "status": "started"},
    ]
