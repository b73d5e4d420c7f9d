"""An attempt's events reach the gateway once, in order, whatever the network does; and nothing delays the lease."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from tests.servers import wait_for
from tiltyard.wire import Claim, EntryPoint, EventKind, Reported
from tiltyard_workers.gateway import Gateway
from tiltyard_workers.supervisor import outbox as outboxes
from tiltyard_workers.supervisor.outbox import Outbox


class Reports(ThreadingHTTPServer):
    """A gateway that takes reports, and can be told to answer otherwise."""

    daemon_threads = True

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.cancel = False
        here = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, said = here.answers.pop(0) if here.answers else (200, None)
                if status == 200:
                    here.reports.append(body)
                    said = {"cancel": here.cancel, "lease_seconds": 60}
                text = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Answer)
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def events(self) -> list[dict[str, Any]]:
        """What was told, each event once by its number."""
        numbered: dict[int, dict[str, Any]] = {
            number: event
            for report in self.reports
            for number, event in enumerate(report["events"], start=report["first"])
        }
        assert list(numbered) == list(range(len(numbered))), "the numbers are dense"
        return list(numbered.values())


@pytest.fixture
def reports() -> Iterator[Reports]:
    server = Reports()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def quiet(reports: Reports, heard: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """One that has not begun to report."""
    monkeypatch.setattr(outboxes, "BATCH_SECONDS", 0.05)
    monkeypatch.setattr(outboxes, "CANCEL_SECONDS", 0.2)
    claim = Claim(
        job="a" * 20, epoch=1, attempt=1, max_attempts=3, token="t", experiment="x", archive="b" * 64, archive_size=1,
        project="", entry_point=EntryPoint(name="main", command="x"), parameters={}, command="x", queue="cpu",
        lease_seconds=60, renew_seconds=15,
    )  # fmt: skip
    gateway = Gateway(reports.url, "t")
    one = Outbox(
        gateway,
        claim,
        on_cancel=lambda: heard.append("cancel"),
        on_superseded=lambda: heard.append("superseded"),
    )
    yield one
    one.close()
    gateway.close()


@pytest.fixture
def outbox(quiet: Outbox) -> Outbox:
    quiet.start()
    return quiet


def say(outbox: Outbox, text: str) -> None:
    outbox.add(EventKind.log, stream="stdout", text=text)


def test_what_is_told_arrives_once_and_in_order(outbox: Outbox, reports: Reports) -> None:
    for number in range(100):
        outbox.add(EventKind.metric, name="loss", value=number, step=number)
    wait_for(lambda: len(reports.events()) == 100)
    assert [event["data"]["value"] for event in reports.events()] == list(range(100))


def test_a_report_that_failed_is_sent_again_under_the_same_number(outbox: Outbox, reports: Reports) -> None:
    away = {"code": "database_unavailable", "detail": "away"}
    reports.answers = [(503, away)] * 3
    for number in range(5):
        outbox.add(EventKind.metric, name="loss", value=number, step=number)
    wait_for(lambda: len(reports.events()) == 5)


def test_what_one_stream_prints_within_a_batch_is_one_event(outbox: Outbox, reports: Reports) -> None:
    for number in range(50):
        say(outbox, f"line {number}\n")
    wait_for(lambda: "line 49" in "".join(event["data"]["text"] for event in reports.events()))
    assert "".join(event["data"]["text"] for event in reports.events()) == "".join(
        f"line {n}\n" for n in range(50)
    )
    assert len(reports.events()) < 10


def test_the_lease_is_renewed_while_nothing_happens(outbox: Outbox, reports: Reports) -> None:
    wait_for(lambda: len(reports.reports) >= 3)
    assert reports.events() == []


def test_a_flood_of_text_delays_no_report_and_is_refused_above_a_limit(
    outbox: Outbox, reports: Reports
) -> None:
    said = 0
    while outbox.has_room():
        say(outbox, "x" * 16_000)
        said += 16_000
    assert said < outboxes.MOST_WAITING_BYTES * 3
    before = len(reports.reports)
    wait_for(lambda: len(reports.reports) > before + 3)
    assert all(len(json.dumps(report)) < 200_000 for report in reports.reports)


def test_what_is_left_at_the_end_goes_in_pieces_that_the_gateway_takes(
    outbox: Outbox, reports: Reports
) -> None:
    written_out_long = {"stream": "stdout", "text": "\x01" * 16_000}
    left = [Reported(at=datetime.now(UTC), kind=EventKind.log, data=written_out_long) for _ in range(260)]
    first, rest = outbox.send_rest(0, left)
    assert first + len(rest) == len(left)
    said = [report for report in reports.reports if report["events"]]
    assert [report["first"] for report in said] == list(range(0, first, len(said[0]["events"])))
    longest = max(
        len(json.dumps(events))
        for events in [
            *(report["events"] for report in said),
            [event.model_dump(mode="json") for event in rest],
        ]
    )
    assert longest < 16 << 20


def test_a_cancel_is_told_once(outbox: Outbox, reports: Reports, heard: list[str]) -> None:
    reports.cancel = True
    wait_for(lambda: len(reports.reports) >= 4)
    assert heard == ["cancel"]


def test_an_attempt_that_lost_its_job_hears_it_and_says_no_more(
    outbox: Outbox, reports: Reports, heard: list[str]
) -> None:
    reports.answers = [(409, {"code": "attempt_superseded", "detail": "gone"})]
    wait_for(lambda: heard == ["superseded"])
    silent = len(reports.reports)
    say(outbox, "to nobody\n")
    first, left = outbox.close()
    assert (len(reports.reports), first, len(left)) == (silent, 0, 1)


def test_of_very_many_logged_values_the_newest_of_each_name_are_told(
    outbox: Outbox, reports: Reports
) -> None:
    reports.answers = [(503, {"code": "database_unavailable", "detail": "away"})] * 3
    for number in range(5_000):
        outbox.add_logged({"name": "loss", "value": number, "step": number})
        if number % 10 == 0:
            outbox.add_logged({"name": "score", "value": -number, "step": number})
    wait_for(lambda: {"loss": 4_999, "score": -4_990}.items() <= _last(reports).items())
    told = [event["data"] for event in reports.events()]
    assert len(told) < 4_000
    for name, count in (("loss", 5_000), ("score", 500)):
        values = [data for data in told if data["name"] == name]
        assert [data["step"] for data in values] == sorted(data["step"] for data in values)
        assert len(values) + sum(data.get("left_out", 0) for data in values) == count


def test_of_very_many_values_each_run_keeps_its_own_newest(
    quiet: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MANY_LOGGED", 1)
    for step in range(3):
        for more in ({}, {"run": "fold 1"}, {"run": "fold 2"}):
            quiet.add_logged({"name": "loss", "value": step, "step": step, **more})
    _, rest = quiet.close()
    last = {"name": "loss", "value": 2, "step": 2, "left_out": 2}
    assert [event.data for event in rest] == [last, last | {"run": "fold 1"}, last | {"run": "fold 2"}]


def test_runs_that_a_job_made_use_up_no_names_of_its_own_metrics(
    quiet: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MOST_NAMES", 1)
    quiet.add_logged({"name": "of a fold", "value": 1, "step": 0, "run": "fold"})
    quiet.add_logged({"name": "loss", "value": 1, "step": 0})
    _, rest = quiet.close()
    assert [event.data["name"] for event in rest] == ["of a fold", "loss"]


def test_runs_that_a_job_made_use_up_no_room_of_its_own_metrics(
    quiet: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MOST_METRICS", 2)
    monkeypatch.setattr(outboxes, "MOST_LAST", 1)
    monkeypatch.setattr(outboxes, "MOST_OF_OTHER_RUNS", 3)
    for number in range(5):
        quiet.add_logged({"name": "loss", "value": number, "step": 0, "run": f"trial {number}"})
    quiet.add(EventKind.metric, name="best", value=1, step=None)
    quiet.add_logged({"name": "loss", "value": 1, "step": 0})
    quiet.add_logged({"name": "loss", "value": 2, "step": 1})
    _, rest = quiet.close()
    told = [event.data for event in rest if event.kind is EventKind.metric]
    assert [data.get("run", "its own") for data in told] == [
        *(f"trial {n}" for n in range(3)),
        *["its own"] * 3,
    ]
    assert told[-1] == {"name": "loss", "value": 2, "step": 1}
    assert "2 events are left out" in str(rest[-1].data["text"])


def test_metrics_without_end_leave_the_log_its_room(quiet: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "MOST_METRICS", 1)
    for number in range(3):
        quiet.add(EventKind.metric, name="loss", value=number, step=number)
    say(quiet, "the end\n")
    _, rest = quiet.close()
    assert "the end\n" in [event.data.get("text") for event in rest]


def test_of_runs_that_come_and_go_nothing_is_kept(outbox: Outbox, reports: Reports) -> None:
    for number in range(100):
        outbox.add_logged({"name": "loss", "value": number, "step": 0, "run": f"trial {number}"})
    wait_for(lambda: len(reports.events()) == 100)
    wait_for(lambda: not outbox._newest_logged)


def test_a_name_too_many_takes_the_place_of_no_other(quiet: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "MOST_NAMES", 1)
    monkeypatch.setattr(outboxes, "MANY_LOGGED", 1)
    for name in ("loss", "other", "other"):
        quiet.add_logged({"name": name, "value": 1, "step": 0})
    _, rest = quiet.close()
    assert [event.data for event in rest if event.kind is EventKind.metric] == [
        {"name": "loss", "value": 1, "step": 0}
    ]
    assert "2 events are left out" in str(rest[-1].data["text"])


def _last(reports: Reports) -> dict[str, int]:
    return {event["data"]["name"]: event["data"]["value"] for event in reports.events()}


def test_a_few_logged_values_are_all_told(outbox: Outbox, reports: Reports) -> None:
    for number in range(150):
        outbox.add_logged({"name": "loss", "value": number, "step": number})
    wait_for(lambda: len(reports.events()) == 150)
    assert not any("left_out" in event["data"] for event in reports.events())


def test_above_an_attempts_limit_the_last_value_of_each_name_is_told_at_its_end(
    outbox: Outbox, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MOST_METRICS", 10)
    for number in range(50):
        outbox.add_logged({"name": "loss", "value": number, "step": number})
    _, rest = outbox.close()
    last = (rest or [None])[-1]
    assert last is not None
    assert last.data == {"name": "loss", "value": 49, "step": 49, "left_out": 39}


def test_names_without_end_are_not_all_kept_until_the_end(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MOST_METRICS", 10)
    monkeypatch.setattr(outboxes, "MOST_LAST", 5)
    for number in range(50):
        outbox.add_logged({"name": f"loss {number}", "value": number, "step": 0})
    _, rest = outbox.close()
    assert [event.data["name"] for event in rest if event.kind is EventKind.metric][-5:] == [
        f"loss {number}" for number in range(10, 15)
    ]
    assert "35 events are left out" in str(rest[-1].data["text"])


def test_what_steps_say_at_length_counts_for_as_much_as_it_is(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MOST_METRICS", 30)
    for number in range(10):
        outbox.add(EventKind.step, name=f"step {number}", status="failed", message="x" * 2_000)
    _, rest = outbox.close()
    assert "7 events are left out" in str(rest[-1].data["text"])


def test_metrics_have_no_names_without_end(
    outbox: Outbox, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MOST_NAMES", 3)
    for number in range(10):
        outbox.add(EventKind.metric, name=f"m{number}", value=number, step=None)
        outbox.add_logged({"name": f"m{number}", "value": number, "step": 1})
    wait_for(lambda: len(reports.events()) == 6)
    _, rest = outbox.close()
    assert {event["data"]["name"] for event in reports.events()} == {"m0", "m1", "m2"}
    assert "14 events are left out" in str(rest[-1].data["text"])
