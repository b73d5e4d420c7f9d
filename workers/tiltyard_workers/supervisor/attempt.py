"""One attempt, as a row of named steps: fetch, unpack, record, start, watch, gather, finish.

Whatever goes wrong has one of few outcomes: the job is finished with a result that says so, it is handed back, or it is not
ours any more and nothing is sent.
"""

import time
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Literal

import structlog

from tiltyard.archive import ArchiveRefused
from tiltyard.wire import Claim, EventKind, Finish, FinishAnswer
from tiltyard_workers.fences.fence import Fence
from tiltyard_workers.fences.process import Ended, FencedProcess
from tiltyard_workers.gateway import Away, Gateway, Refused, Superseded
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor import gather, scratch
from tiltyard_workers.supervisor.channel import Channel
from tiltyard_workers.supervisor.environment import job_environment
from tiltyard_workers.supervisor.outbox import Outbox
from tiltyard_workers.supervisor.output import Output
from tiltyard_workers.supervisor.result import CANCELLED, Result, judge, start_failed, timed_out
from tiltyard_workers.supervisor.waiting import Waiting
from tiltyard_workers.tracking.run import TrackedRun

log = structlog.get_logger(__name__)

Interruption = Literal["cancel", "superseded", "hand_back"]
LAST_OUTPUT_SECONDS = 10.0
LONGEST_FINISH_PAUSE_SECONDS = 30.0


class HandedBack(Exception):
    """The worker was told to stop now: the job goes back to its queue."""


class Attempt:
    """Runs one claimed job to its end.

    Args:
        claim: what was claimed.
        gateway: where to report.
        settings: this worker's.
        fence: what keeps the job in.
    """

    def __init__(self, claim: Claim, gateway: Gateway, settings: WorkerSettings, fence: Fence) -> None:
        self._claim = claim
        self._gateway = gateway
        self._settings = settings
        self._fence = fence
        self._tracked: TrackedRun | None = None
        self._news: SimpleQueue[Interruption | Ended] = SimpleQueue()
        self._outbox = Outbox(
            gateway,
            claim,
            on_cancel=lambda: self._news.put("cancel"),
            on_superseded=lambda: self._news.put("superseded"),
        )

    def hand_back(self) -> None:
        """Stop the job now and give it back. May be called from a signal handler."""
        self._news.put("hand_back")

    def run(self) -> None:
        """Run the attempt; its result is recorded when this returns, unless it was not ours to give."""
        self._outbox.start()
        try:
            with scratch.attempt_folder(self._settings.scratch, self._claim) as root, ExitStack() as stack:
                result = self._run_in(root, stack)
                self._finish(result)
        except Superseded:
            self._outbox.close()
            log.warning("attempt_superseded", job=self._claim.job, epoch=self._claim.epoch)
        except HandedBack:
            self._outbox.close()
            with suppress(Superseded, Refused, Away):
                self._gateway.release(self._claim)
            log.info("handed_back", job=self._claim.job)

    def _run_in(self, root: Path, stack: ExitStack) -> Result:
        try:
            archive = self._fetch()
            folder = scratch.prepare(root, self._claim, archive)
            channel = Channel(folder.socket, lambda kind, data: self._tell(folder, kind, data))
        except (ArchiveRefused, scratch.DamagedArchive, Refused, OSError) as error:
            return start_failed(error)
        channel.start()
        stack.callback(channel.close)
        tracked = TrackedRun.begin(self._settings, self._claim, root)
        stack.callback(tracked.abandon)
        if tracked.run_id is not None:
            self._outbox.set_run_id(tracked.run_id)
        self._tracked = tracked
        try:
            process = FencedProcess(
                self._fence,
                self._claim.command,
                environment=job_environment(self._claim, folder, tracked),
                visible=[root, folder.socket.parent],
                work=folder.work,
                hidden=self._hidden(),
            )
        except OSError as error:
            return start_failed(error)
        result = self._watch(process)
        channel.close()
        stack.pop_all()
        self._gather(folder)
        recorded = tracked.end(result.state, archive)
        if not recorded and self._settings.mlflow_url:
            self._say(
                "MLflow is away: what was logged to it is kept with the job, and told to it when it is back"
            )
        self._gather_tracked(tracked, root)
        if recorded or not self._settings.mlflow_url:
            tracked.close()
        else:
            tracked.end_later(result.state, archive, self._settings.scratch / "mlflow-later" / root.name)
        return result

    def _fetch(self) -> Path:
        pause = 0.5
        while True:
            try:
                return scratch.fetch_archive(self._gateway, self._settings.scratch, self._claim)
            except Away:
                self._interrupted_within(pause)
                pause = min(pause * 2, 10)

    def _interrupted_within(self, seconds: float) -> None:
        """Wait, unless the attempt is to end before it began."""
        with suppress(Empty):
            match self._news.get(timeout=seconds):
                case "superseded":
                    raise Superseded
                case "hand_back":
                    raise HandedBack
                case "cancel":
                    raise Refused(409, "cancelled", "it was cancelled before it started")

    def _hidden(self) -> list[Path]:
        profile = Path.home() / ".config" / "tiltyard"
        extra = [Path(name) for name in self._settings.hide.split(":") if name]
        return [*extra, self._settings.scratch, profile]

    def _watch(self, process: FencedProcess) -> Result:
        outputs = [
            Output(
                name,
                pipe,
                self._print,
                has_room=self._outbox.has_room,
                limit=self._settings.log_bytes // 2,
            )
            for name, pipe in process.outputs.items()
        ]
        for output in outputs:
            output.start()
        waiting = Waiting(process, self._news)
        waiting.start()
        try:
            ended, why = self._until_end(process)
        finally:
            process.end()
            waiting.join()
        for output in outputs:
            output.finish(LAST_OUTPUT_SECONDS)
        match why:
            case "superseded":
                raise Superseded
            case "hand_back":
                raise HandedBack
            case "cancel":
                return CANCELLED
            case "timed_out":
                return timed_out(self._claim.timeout or 0)
        return judge(ended)

    def _until_end(self, process: FencedProcess) -> tuple[Ended, str | None]:
        """Wait for the job's end, or bring it about. Returns how it ended, and what made us end it."""
        why: str | None = None
        deadline = None if self._claim.timeout is None else time.monotonic() + self._claim.timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                news = self._news.get(timeout=left)
            except Empty:
                if why is not None:  # the grace is over
                    process.end()
                    deadline = None
                    continue
                news = "timed_out"  # type: ignore[assignment]
            if isinstance(news, Ended):
                return news, why
            if news in {"superseded", "hand_back"}:
                why, deadline = news, None
                process.end()
            elif why is None:
                why, deadline = news, time.monotonic() + self._settings.grace_seconds
                process.ask_to_end()

    def _print(self, stream: str, text: str, *, partial: bool, dropped: int) -> None:
        data: dict[str, Any] = {"stream": stream, "text": text}
        if partial:
            data["partial"] = True
        if dropped:
            data["dropped"] = dropped
        self._outbox.add(EventKind.log, **data)

    def _tell(self, folder: scratch.Folder, kind: str, data: dict[str, Any]) -> None:
        if kind != "artifact":
            self._outbox.add(EventKind(kind), **data)
            if kind == "metric" and self._tracked is not None:
                self._tracked.metric(data)
            return
        path = gather.inside(folder.work, data["path"])
        if path is None:
            self._say(f"the artifact {data['path']!r} is no file in the job's folder, and is left out")
            return
        self._store(path.relative_to(folder.work.resolve()).as_posix(), path)

    def _say(self, text: str) -> None:
        self._print("stderr", f"tiltyard: {text}\n", partial=False, dropped=0)

    def _store(self, name: str, path: Path) -> None:
        try:
            gather.store(self._gateway, self._claim, name, path)
        except (Refused, Away, OSError) as error:
            self._say(f"the artifact {name!r} could not be kept: {error}")

    def _gather(self, folder: scratch.Folder) -> None:
        outputs = folder.work / (self._claim.entry_point.outputs or "outputs")
        if outputs.is_symlink() or not outputs.is_dir():
            return
        size = 0
        for count, (name, path) in enumerate(gather.regular_files(outputs)):
            size += path.lstat().st_size
            if count >= gather.MOST_FILES or size > gather.MOST_BYTES:
                self._say(
                    f"only the first {count} files of {outputs.name}/ are kept: there are too many, or too much"
                )
                return
            self._store(name, path)

    def _gather_tracked(self, tracked: TrackedRun, root: Path) -> None:
        for name, path in tracked.artifacts(root / "mlflow-artifacts"):
            self._store(f"mlflow/{name}", path)

    def _finish(self, result: Result) -> None:
        """Send the result until it is recorded, for as long as that takes."""
        first, events = self._outbox.close()
        pause = 0.5
        while True:
            try:
                first, events = self._outbox.send_rest(first, events)
                answer: FinishAnswer = self._gateway.finish(
                    self._claim,
                    Finish(
                        first=first,
                        events=events,
                        state=result.state,
                        reason=result.reason,
                        message=result.message,
                        exit_code=result.exit_code,
                        signal=result.signal,
                        mlflow_run_id=self._tracked.run_id if self._tracked else None,
                    ),
                )
            except Away as away:
                log.warning("finish_delayed", job=self._claim.job, error=str(away))
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_FINISH_PAUSE_SECONDS)
            except Refused as refused:
                log.warning("finish_refused", job=self._claim.job, code=refused.code, error=str(refused))
                return
            else:
                log.info(
                    "finished", job=self._claim.job, attempt=self._claim.attempt, state=str(answer.state)
                )
                return
