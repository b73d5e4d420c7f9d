"""An attempt's events on their way to the gateway: bounded, batched, numbered, sent until they are acknowledged.

Writing to it never waits for the network, and nothing that is written delays the lease: every report renews it, and an
empty one is sent when there is nothing to tell.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tiltyard.wire import Claim, EventKind, Report, ReportAnswer, Reported, ReportedKind
from tiltyard_workers.gateway import Away, Gateway, Refused, Superseded

BATCH_SECONDS = 0.2
BATCH_BYTES = 64 << 10
BATCH_EVENTS = 500
CANCEL_SECONDS = 2.0
"""The longest that a quiet attempt leaves the gateway without asking."""
LONGEST_LOG = 16 << 10
"""Characters in one log event."""
MOST_WAITING_BYTES = 4 << 20
"""Of what waits to be sent while the gateway is away; above it, no log text is taken."""
MOST_METRICS = 200_000
"""And what steps told, of one attempt."""
MOST_OF_OTHER_RUNS = 100_000
"""Metrics of the runs that a job made beside its own, whose metrics they are not to crowd out."""
MOST_EVENT_BYTES = 16 << 20
"""Of what waits to be sent; above it, nothing is taken."""
MOST_NAMES = 5_000
"""Of metrics: each is a column of its experiment's results."""
MOST_LAST = 10_000
"""Names of metrics whose last value is told at the end, once there were too many: names have no end either."""
MANY_LOGGED = 200
"""Metrics that a script logged to MLflow and that wait to be sent; above it, of each name the newest waits."""
REST_BYTES = 1 << 20
"""Of what is sent at once when all is over. JSON may need six bytes for each, and the gateway takes 16 MiB."""
_OVERHEAD = 100
_AS_LONG_AS_A_METRIC = 250
_REFUSED_CONTENT = {400, 413, 422}

_Named = tuple[str, str]
"""The run that a metric is of, where it is not the job's own, and its name."""


class Outbox:
    """Collects events from any thread, and reports them from one of its own.

    Args:
        gateway: where to report.
        claim: the attempt.
        on_cancel: called once when a caller asked for the job's end.
        on_superseded: called once when the job is not this attempt's any more.
    """

    def __init__(
        self,
        gateway: Gateway,
        claim: Claim,
        *,
        on_cancel: Callable[[], None],
        on_superseded: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._claim = claim
        self._on_cancel = on_cancel
        self._on_superseded = on_superseded
        self._lock = threading.Condition()
        self._waiting: deque[tuple[Reported, int]] = deque()
        self._waiting_bytes = 0
        self._in_flight = 0
        self._sent = 0
        self._run_id: str | None = None
        self._closing = False
        self._told_cancel = False
        self._metrics = 0
        self._of_other_runs = 0
        self._logged = 0
        self._newest_logged: dict[_Named, int] = {}
        """The number of the newest event of each name, of those that wait."""
        self._last_logged: dict[str, dict[str, Any]] = {}
        """The newest of each name of the job's own run, once there were too many to tell."""
        self._names: set[str] = set()
        self._left_out = 0
        self.heard_at = time.monotonic()
        """When the attempt last told something, by this machine's clock that never goes back."""
        self._thread = threading.Thread(target=self._keep_reporting, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin to report."""
        self._thread.start()

    def add(self, kind: ReportedKind, **data: Any) -> None:
        """Tell something. What one stream prints within a batch becomes one event."""
        self.heard_at = time.monotonic()
        with self._lock:
            if kind is EventKind.log and self._merged(data):
                return
            if kind is EventKind.metric and self._is_a_name_too_many(data):
                self._left_out += 1
                return
            weight = _weight(kind, data)
            if self._is_one_too_many(data, weight):
                self._left_out += kind is not EventKind.log
                return
            if "run" in data:
                self._of_other_runs += weight
            else:
                self._metrics += weight
            self._append(kind, data)
            if self._waiting_bytes >= BATCH_BYTES:
                self._lock.notify()

    def add_logged(self, data: dict[str, Any]) -> None:
        """Tell a metric that the script logged to MLflow, which keeps every one: here, of very many, the newest is enough."""
        self.heard_at = time.monotonic()
        name = _named(data)
        with self._lock:
            if self._is_a_name_too_many(data):
                self._left_out += 1
                return
            if self._is_one_too_many(data, weight=1):
                self._keep_last(data)
                return
            self._logged += 1
            place = self._newest_logged.get(name, -1) - self._sent
            if self._logged > MANY_LOGGED and self._in_flight <= place < len(self._waiting):
                before, size = self._waiting[place]
                newest = _in_place_of(before.data, data)
                self._waiting[place] = (
                    Reported(at=datetime.now(UTC), kind=EventKind.metric, data=newest),
                    size,
                )
                return
            self.add(EventKind.metric, **data)
            self._newest_logged[name] = self._sent + len(self._waiting) - 1

    def _is_a_name_too_many(self, data: Mapping[str, Any]) -> bool:
        name = str(data["name"])
        if "run" in data:  # of another run than the job's own, which no result shows
            return False
        if name not in self._names and len(self._names) < MOST_NAMES:
            self._names.add(name)
        return name not in self._names

    def _is_one_too_many(self, data: Mapping[str, Any], weight: int) -> bool:
        if self._waiting_bytes > MOST_EVENT_BYTES:
            return True
        if "run" in data:
            return self._of_other_runs + weight > MOST_OF_OTHER_RUNS
        return self._metrics + weight > MOST_METRICS

    def _keep_last(self, data: dict[str, Any]) -> None:
        name = str(data["name"])
        if "run" not in data and (name in self._last_logged or len(self._last_logged) < MOST_LAST):
            self._last_logged[name] = _in_place_of(self._last_logged.get(name), data)
        else:
            self._left_out += 1

    def _append(self, kind: ReportedKind, data: dict[str, Any]) -> None:
        size = _size(data)
        self._waiting.append((Reported(at=datetime.now(UTC), kind=kind, data=data), size))
        self._waiting_bytes += size

    def _confess(self, count: int, why: str) -> None:
        text = f"tiltyard: {count} events are left out: {why}\n"
        self._append(EventKind.log, {"stream": "stderr", "text": text})

    def has_room(self) -> bool:
        """Whether log text is taken now; while the gateway is away or slow, it is not without end."""
        return self._waiting_bytes < MOST_WAITING_BYTES

    def _merged(self, data: dict[str, Any]) -> bool:
        if len(self._waiting) <= self._in_flight or data.get("dropped"):
            return False
        last, size = self._waiting[-1]
        before, text = last.data.get("text"), str(data["text"])
        if (
            last.kind is not EventKind.log
            or last.data.get("stream") != data["stream"]
            or not isinstance(before, str)
        ):
            return False
        if len(before) + len(text) > LONGEST_LOG:
            return False
        kept = {"dropped": last.data["dropped"]} if "dropped" in last.data else {}
        merged = Reported(at=last.at, kind=EventKind.log, data={**kept, **data, "text": before + text})
        self._waiting[-1] = (merged, size + len(text))
        self._waiting_bytes += len(text)
        return True

    def set_run_id(self, run_id: str) -> None:
        """Tell which MLflow run records this attempt, with the next report."""
        with self._lock:
            self._run_id = run_id

    def close(self) -> tuple[int, list[Reported]]:
        """Stop reporting on its own; what was not acknowledged is the caller's to send with the result.

        Returns:
            The number of the first event left, and the events.
        """
        with self._lock:
            self._closing = True
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            for data in self._last_logged.values():
                self._append(EventKind.metric, data)
            self._last_logged.clear()
            if self._left_out:
                own = f"{MOST_METRICS} metrics and steps at most, of {MOST_NAMES} names"
                others = f"{MOST_OF_OTHER_RUNS} metrics of runs beside its own"
                self._confess(self._left_out, f"an attempt has {own}, and {others}")
                self._left_out = 0
        return self._sent, [event for event, _ in self._waiting]

    def send_rest(self, first: int, events: list[Reported]) -> tuple[int, list[Reported]]:
        """Report what is too much for one result, and renew the lease while at it.

        Raises:
            Superseded: the job is not this attempt's any more.
        """
        while len(batch := _first_of(events)) < len(events):
            self._gateway.report(self._claim, Report(first=first, events=batch))
            first, events = first + len(batch), events[len(batch) :]
        return first, events

    def _keep_reporting(self) -> None:
        last = time.monotonic()
        pause = BATCH_SECONDS
        # Far more often than the lease needs: the answer is how a cancel arrives.
        quiet = min(self._claim.renew_seconds, CANCEL_SECONDS)
        while True:
            with self._lock:
                self._lock.wait_for(
                    lambda: self._closing or self._waiting_bytes >= BATCH_BYTES, timeout=pause
                )
                if self._closing:
                    return
                batch = self._next_batch()
                self._in_flight = len(batch)
                due = batch or self._run_id or time.monotonic() - last >= quiet
                news = Report(
                    first=self._sent, events=[event for event, _ in batch], mlflow_run_id=self._run_id
                )
            if not due:
                continue
            try:
                answer = self._gateway.report(self._claim, news)
            except Away:
                pause = min(pause * 2, 2.0)
                continue
            except Refused as refused:
                if refused.status not in _REFUSED_CONTENT or not batch or refused.code == "report_gap":
                    self._on_superseded()
                    return
                self._discard(batch, refused)
                continue
            except Superseded:
                self._on_superseded()
                return
            last, pause = time.monotonic(), BATCH_SECONDS
            self._acknowledge(batch, news, answer)

    def _next_batch(self) -> list[tuple[Reported, int]]:
        batch: list[tuple[Reported, int]] = []
        size = 0
        for event, length in self._waiting:
            if len(batch) >= BATCH_EVENTS or (batch and size + length > BATCH_BYTES):
                break
            batch.append((event, length))
            size += length
        return batch

    def _acknowledge(self, batch: list[tuple[Reported, int]], news: Report, answer: ReportAnswer) -> None:
        with self._lock:
            for number, (event, length) in enumerate(batch, start=self._sent):
                self._waiting.popleft()
                self._waiting_bytes -= length
                if event.kind is EventKind.metric and self._newest_logged.get(_named(event.data)) == number:
                    del self._newest_logged[_named(event.data)]
            self._sent += len(batch)
            self._in_flight = 0
            self._logged = 0
            if news.mlflow_run_id == self._run_id:
                self._run_id = None
        self._heed(answer)

    def _discard(self, batch: list[tuple[Reported, int]], why: Refused) -> None:
        with self._lock:
            for _, length in batch:
                self._waiting.popleft()
                self._waiting_bytes -= length
            self._in_flight = 0
            self._newest_logged.clear()  # their numbers are taken by others now
            self._confess(len(batch), str(why))

    def _heed(self, answer: ReportAnswer) -> None:
        if answer.cancel and not self._told_cancel:
            self._told_cancel = True
            self._on_cancel()


def _named(data: Mapping[str, Any]) -> _Named:
    return str(data.get("run", "")), str(data["name"])


def _weight(kind: ReportedKind, data: Mapping[str, Any]) -> int:
    if kind not in {EventKind.metric, EventKind.step}:
        return 0
    return 1 + len(str(data.get("message", ""))) // _AS_LONG_AS_A_METRIC


def _in_place_of(before: Mapping[str, Any] | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """A metric that stands for an earlier one, too, and for those that stood for."""
    if before is None:
        return dict(data)
    return {**data, "left_out": int(before.get("left_out", 0)) + 1}


def _size(data: Mapping[str, Any]) -> int:
    return _OVERHEAD + sum(len(value) for value in data.values() if isinstance(value, str))


def _first_of(events: list[Reported]) -> list[Reported]:
    size = 0
    for count, event in enumerate(events):
        size += _size(event.data)
        if count == BATCH_EVENTS or (count and size > REST_BYTES):
            return events[:count]
    return events
