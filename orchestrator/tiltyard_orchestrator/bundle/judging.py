"""Whether what a bundle says of a job can be: its history runs from its beginning to its end, and its manifest follows from it.

Nothing is believed that can be worked out: the manifest is made anew from the rest, and must be the one that is given.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tiltyard.wire.bundles import ArtifactRecord, CellRecord, JobRecord, PostedRecord, SweepRecord
from tiltyard.wire.environments import Environment
from tiltyard.wire.events import Event, EventKind
from tiltyard.wire.jobs import JobState
from tiltyard.wire.manifests import Manifest
from tiltyard.wire.model import WireModel
from tiltyard_orchestrator.bundle.framing import LONGEST_LINE, BundleRefused, Opened, malformed
from tiltyard_orchestrator.bundle.room import Room
from tiltyard_orchestrator.domain.lifecycle import RULES, Call
from tiltyard_orchestrator.domain.metrics import read_measurement
from tiltyard_orchestrator.storage.bundles.jobs import as_artifact_row, as_job_row
from tiltyard_orchestrator.storage.jobs.manifests import Facts, make_manifest, manifest_digest

_KINDS: dict[str, type[WireModel]] = {
    "job": JobRecord,
    "manifest": Manifest,
    "event": Event,
    "posted": PostedRecord,
    "artifact": ArtifactRecord,
    "sweep": SweepRecord,
    "cell": CellRecord,
}
SWEEPS = "sweeps.jsonl"
LONGEST_PATH = 1024


class _Line(WireModel):
    job: JobRecord | None = None
    manifest: Manifest | None = None
    event: Event | None = None
    posted: PostedRecord | None = None
    artifact: ArtifactRecord | None = None
    sweep: SweepRecord | None = None
    cell: CellRecord | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A job of a bundle that can be. Its events are read from the bundle when they are stored."""

    entry: str
    record: JobRecord
    manifest: str
    """Its manifest's digest."""
    posted: list[PostedRecord]
    files: list[ArtifactRecord]
    told: list[Event]
    """What its newest attempt measured last of each metric."""


def entry_of(job: str) -> str:
    """Where a bundle keeps a job."""
    return f"jobs/{job}.jsonl"


def blob_of(sha256: str) -> str:
    """Where a bundle keeps bytes."""
    return f"blobs/{sha256}"


def read_lines(opened: Opened, entry: str) -> Iterator[WireModel]:
    """What an entry says, line by line.

    Raises:
        BundleRefused: a line is nothing that is known.
    """
    return (said for said, _ in _sized(opened, entry))


def _sized(opened: Opened, entry: str) -> Iterator[tuple[WireModel, int]]:
    """The same with the length of each line."""
    for line in opened.lines(entry):
        try:
            said = _Line.model_validate_json(line)
        except ValidationError as error:
            raise malformed(entry, error) from error
        given = [value for name in _KINDS if (value := getattr(said, name)) is not None]
        if len(given) != 1:
            raise BundleRefused("bad_bundle", entry, f"{entry}: a line says one thing")
        yield given[0], len(line)


def judge(opened: Opened, entry: str, environments: dict[str, Environment], room: Room) -> Judged:
    """Read a job of a bundle, and hold it to what it says of itself.

    Raises:
        BundleRefused: it cannot be.
    """
    lines = _sized(opened, entry)
    (record, size), (manifest, _) = next(lines, (None, 0)), next(lines, (None, 0))
    if not isinstance(record, JobRecord) or not isinstance(manifest, Manifest):
        raise _impossible(entry, "a job begins with what it is, and then its manifest")
    if entry != entry_of(record.id):
        raise _impossible(entry, f"it holds the job {record.id}")
    room.keep(entry, size)
    history = _History(entry, record, room)
    posted: list[PostedRecord] = []
    files: list[ArtifactRecord] = []
    for line, size in lines:
        match line:
            case Event():
                history.take(line, size)
            case PostedRecord():
                room.keep(entry, size)
                posted.append(line)
            case ArtifactRecord():
                _check_file(opened, entry, record, line)
                room.keep(entry, size)
                room.write(entry, line.size)
                files.append(line)
            case _:
                raise _impossible(entry, "it says twice what it is")
    history.check_end()
    _check_files(entry, files)
    _check_manifest(entry, record, manifest, history, files, environments)
    return Judged(
        entry=entry,
        record=record,
        manifest=manifest.digest or "",
        posted=posted,
        files=files,
        told=history.told,
    )


def judge_sweeps(opened: Opened, room: Room) -> list[tuple[SweepRecord, list[CellRecord]]]:
    """Read the sweeps of a bundle, each with its cells.

    Raises:
        BundleRefused: one cannot be.
    """
    found: list[tuple[SweepRecord, list[CellRecord]]] = []
    for line, size in _sized(opened, SWEEPS) if SWEEPS in opened.places else ():
        room.keep(SWEEPS, size)
        if isinstance(line, SweepRecord):
            found.append((line, []))
        elif isinstance(line, CellRecord) and found and line.number == len(found[-1][1]):
            found[-1][1].append(line)
        else:
            raise _impossible(SWEEPS, "a sweep is followed by its cells, in order")
    for sweep, cells in found:
        if len(cells) != sweep.cells:
            raise _impossible(SWEEPS, f"the sweep {sweep.id} has {len(cells)} cells, and not {sweep.cells}")
    return found


class _History:
    """The events of a job as they come: dense, in order, and each state one that the state before leads to."""

    def __init__(self, entry: str, record: JobRecord, room: Room) -> None:
        self._entry = entry
        self._record = record
        self._room = room
        self._next = self._moves = 0
        self._last: dict[str, tuple[int, Event]] = {}
        self.states: list[Event] = []

    @property
    def told(self) -> list[Event]:
        """What the newest attempt measured last of each metric."""
        return [event for _, event in self._last.values()]

    def take(self, event: Event, size: int) -> None:
        if event.job != self._record.id or event.seq != self._next:
            raise _impossible(self._entry, f"its events are out of order at {event.seq}")
        if not 0 <= event.attempt <= self._record.max_attempts:
            raise _impossible(self._entry, f"its event {event.seq} is of an attempt that it cannot have had")
        self._next += 1
        if event.kind is EventKind.state:
            self._move(event, size)
        elif not self.states or self._state(self.states[-1]).final:
            raise _impossible(
                self._entry, f"its event {event.seq} comes before its beginning or after its end"
            )
        elif event.kind is EventKind.metric:
            self._measure(event, size)

    def check_end(self) -> None:
        record = self._record
        last = self.states[-1] if self.states else None
        if last is None or self._state(last) is not record.state or last.seq != record.seq:
            raise _impossible(self._entry, f"its history does not end with {record.state}")

    def _measure(self, event: Event, size: int) -> None:
        one = read_measurement(event.data)
        if one is None:
            return
        if one.name not in self._last:
            self._room.keep(self._entry, size)
        elif one.step < self._last[one.name][0]:
            return
        data = {"name": one.name, "value": event.data["value"], "step": one.step}
        self._last[one.name] = one.step, event.model_copy(update={"data": data})

    def _move(self, event: Event, size: int) -> None:
        self._moves += size
        if self._moves > LONGEST_LINE:
            raise _impossible(self._entry, "it has more states than a job comes to")
        state = self._state(event)
        before = self._state(self.states[-1]) if self.states else None
        if not _leads_to(before, state):
            raise _impossible(self._entry, f"nothing leads from {before or 'nothing'} to {state}")
        if state is JobState.running:
            self._last = {}  # a new attempt begins anew
        self.states.append(event)

    def _state(self, event: Event) -> JobState:
        try:
            return JobState(str(event.data.get("state")))
        except ValueError as error:
            raise _impossible(self._entry, f"its event {event.seq} names no state") from error


def _leads_to(before: JobState | None, state: JobState) -> bool:
    if before is None:
        return state in RULES[Call.submit].targets
    return any(before in rule.sources and state in rule.targets for rule in RULES.values())


def _check_files(entry: str, files: list[ArtifactRecord]) -> None:
    if len({(file.epoch, file.path) for file in files}) != len(files):
        raise _impossible(entry, "it has one file twice")


def _check_file(opened: Opened, entry: str, record: JobRecord, file: ArtifactRecord) -> None:
    place = opened.places.get(blob_of(file.sha256))
    if place is None or place[1] != file.size:
        raise _impossible(entry, f"the bundle has not got its file {file.path!r}")
    if len(file.path.encode()) > LONGEST_PATH or {"", ".", ".."} & set(file.path.split("/")):
        raise _impossible(entry, f"{file.path!r} names no file below a job")
    if file.attempt > record.max_attempts or file.epoch > record.epoch:
        raise _impossible(entry, f"its file {file.path!r} is of an attempt that it cannot have had")


def _check_manifest(
    entry: str,
    record: JobRecord,
    given: Manifest,
    history: _History,
    files: list[ArtifactRecord],
    environments: dict[str, Environment],
) -> None:
    if record.environment is not None and record.environment not in environments:
        raise _impossible(entry, "the bundle has not got what it ran in")
    facts: dict[str, Any] = {
        "states": history.states,
        "told": history.told,
        "files": [as_artifact_row(record.id, file) for file in files],
        "ran_in": environments.get(record.environment or ""),
    }
    try:
        made = make_manifest(Facts(row=as_job_row(record), **facts))
    except (ValidationError, ValueError) as error:
        raise _impossible(entry, "no manifest can be made of it") from error
    if not given.digest == made.digest == manifest_digest(given):
        raise _impossible(entry, "its manifest says something else than the rest of it")


def _impossible(entry: str, why: str) -> BundleRefused:
    return BundleRefused("bad_bundle", entry, f"{entry}: {why}")
