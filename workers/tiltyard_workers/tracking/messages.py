"""What a script tells MLflow, as far as the relay reads it, and how it is answered."""

import json
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any

from tiltyard_workers.tracking.door import Answer
from tiltyard_workers.untrusted import checked_metric, text

_OURS = "tiltyard."
_MOST_SEEN = 100_000
_MOST_NAMED = 10_000
"""Runs that a script made, and whose names are remembered."""
_LONGEST_STEP = 20
"""Digits of a 64 bit number, and more than that."""


class Metrics:
    """The metrics that a script logs, as events hold them."""

    def __init__(self) -> None:
        self._seen: dict[int, None] = {}
        self._names: dict[str, str] = {}
        """Of runs that the script made."""
        self._lock = threading.Lock()

    def note_made(self, answer: Answer) -> None:
        """Remember how a run is called that MLflow has made for the script."""
        content = answer[2]
        made = read_object(content if isinstance(content, bytes) else read_message(content)).get("run")
        info = made.get("info") if isinstance(made, dict) else None
        if isinstance(info, dict) and isinstance(name := info.get("run_name"), str) and name:
            with self._lock:
                if len(self._names) < _MOST_NAMED:
                    self._names[str(info.get("run_id"))] = text(name)

    def new_in(self, said: dict[str, Any], run: str | None = None) -> Iterator[dict[str, Any]]:
        """Those of a `log-metric` or a `log-batch`; what is none is left out.

        Args:
            said: the message.
            run: where it is told to another run than the job's own: that, which the event then names.
        """
        of = {} if run is None else self._described(run)
        metrics = said["metrics"] if isinstance(said.get("metrics"), list) else [said]
        for metric in metrics:
            if not isinstance(metric, dict) or not isinstance(key := metric.get("key"), str):
                continue
            value = metric.get("value")
            if metric.get("model_id"):
                value = _as_first_said(value)
            told = checked_metric(key, value, _step(metric.get("step")))
            if told and not self._is_said_again(told | of, metric):
                yield told | of

    def _described(self, run: str) -> dict[str, str]:
        name = self._names.get(run)
        return {"run": text(run)} | ({} if name is None else {"run_name": name})

    def _is_said_again(self, told: dict[str, Any], metric: dict[str, Any]) -> bool:
        """Whether MLflow's client says it once more, to join it to a model that was just logged."""
        mark = hash(json.dumps([*told.values(), metric.get("timestamp")]))
        with self._lock:
            if mark in self._seen:
                return bool(metric.get("model_id"))
            self._seen[mark] = None
            if len(self._seen) > _MOST_SEEN:
                del self._seen[next(iter(self._seen))]
        return False


def _as_first_said(value: object) -> object:
    """MLflow keeps an infinity as the largest number there is, and that is what its client repeats."""
    if isinstance(value, float) and abs(value) == sys.float_info.max:
        return "Infinity" if value > 0 else "-Infinity"
    return value


def _step(step: object) -> object:
    """A step as a number: in the JSON of protobuf, 64 bit numbers may be text."""
    if isinstance(step, str) and len(step) < _LONGEST_STEP and step.removeprefix("-").isdecimal():
        return int(step)
    return step


def run_of(said: dict[str, Any]) -> str | None:
    """The run that a message, or the query of an address, is about; None where it names none."""
    named = said.get("run_id") or said.get("run_uuid")
    named = named[0] if isinstance(named, list) and named else named
    return named if isinstance(named, str) else None


def speaks_for_us(said: dict[str, Any]) -> bool:
    """Whether a message changes a tag that is the testbed's own: it would be told to MLflow with the worker's token."""
    tags = said.get("tags")
    keys = [tag.get("key") for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else []
    return any(str(key).strip().casefold().startswith(_OURS) for key in (*keys, said.get("key")))


def size_of(body: IO[bytes]) -> int:
    """How many bytes a body has."""
    return body.seek(0, 2)


def read_message(body: IO[bytes]) -> bytes:
    """The whole of a body."""
    body.seek(0)
    return body.read()


def chunks_of(body: IO[bytes]) -> Iterator[bytes]:
    """A body, a piece at a time."""
    body.seek(0)
    while chunk := body.read(1 << 16):
        yield chunk


def experiment_of(info: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
    """The job's own experiment, by whatever name a script knows it: what it records goes to the job's run anyway."""
    return {
        "experiment_id": info["experiment_id"],
        "name": query.get("experiment_name", [str(info["experiment_id"])])[0],
        "artifact_location": str(info["artifact_uri"]).rsplit("/", 2)[0],
        "lifecycle_stage": "active",
    }


def place_of(artifact_uri: str) -> str:
    """Where a run's files are among those that MLflow serves."""
    return artifact_uri.removeprefix("mlflow-artifacts:/")


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty one where the body is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def as_json(status: int, answer: dict[str, Any]) -> Answer:
    """An answer that is JSON."""
    return status, {"Content-Type": "application/json"}, json.dumps(answer).encode()
