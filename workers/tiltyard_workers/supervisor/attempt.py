"""One attempt, as a row of named steps: fetch, unpack, record, run, gather, close the record, finish, clean up.

Whatever goes wrong has one of few outcomes: the job is finished with a result that says so, it is handed back, or it is not
ours any more and nothing is sent.
"""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import structlog

from tiltyard.archive import ArchiveRefused
from tiltyard.archive.content import packed_content_digest
from tiltyard.wire import Claim, EventKind, InputFile, PluginPin
from tiltyard_workers.allowance import Allowance
from tiltyard_workers.fences.disk import used
from tiltyard_workers.fences.fence import Fence
from tiltyard_workers.fences.process import FencedProcess
from tiltyard_workers.fences.view import secret_places
from tiltyard_workers.gateway import Away, Gateway, Refused, Superseded
from tiltyard_workers.memory import MemoryWatch
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor import scratch
from tiltyard_workers.supervisor.asked import AskedFor
from tiltyard_workers.supervisor.channel import Channel
from tiltyard_workers.supervisor.environment import job_environment
from tiltyard_workers.supervisor.finish import finish
from tiltyard_workers.supervisor.gather import TOO_MUCH, LeftOut, Shelf
from tiltyard_workers.supervisor.inputs import InputMissing, put_inputs
from tiltyard_workers.supervisor.orders import Cancelled, HandedBack, Orders
from tiltyard_workers.supervisor.outbox import Outbox
from tiltyard_workers.supervisor.plugins import PluginUnusable, lay_out, named
from tiltyard_workers.supervisor.result import (
    CANCELLED,
    Result,
    judge,
    over_limit,
    silent,
    start_failed,
    timed_out,
)
from tiltyard_workers.supervisor.running import print_to, watch
from tiltyard_workers.supervisor.steps import Steps
from tiltyard_workers.tracking.run import TrackedRun
from tiltyard_workers.untrusted import regular_files

log = structlog.get_logger(__name__)

LONGEST_FETCH_PAUSE_SECONDS = 10.0
MOST_SAID = 200


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
        self._orders = Orders()
        self._tracked: TrackedRun | None = None
        self._outbox = Outbox(
            gateway,
            claim,
            on_cancel=lambda: self._orders.give("cancel"),
            on_superseded=lambda: self._orders.give("superseded"),
        )
        self._shelf = Shelf(gateway, claim, self._orders.pause)
        self._said, self._saying = 0, threading.Lock()
        self.over = threading.Event()
        """Set when nothing is left to do."""
        self.unfit = False
        """Whether it was this host that could not start the job: it could not start another one either."""

    def hand_back(self) -> None:
        """Stop the job now and give it back. May be called from a signal handler."""
        self._orders.give("hand_back")

    def release(self) -> None:
        """Tell the gateway that the job is to be had again."""
        with suppress(Superseded, Refused, Away):
            self._gateway.release(self._claim)
            log.info("handed_back", job=self._claim.job)

    def run(self) -> None:
        """Run the attempt; its result is recorded when this returns, unless it was not ours to give."""
        self._outbox.start()
        try:
            with ExitStack() as stack:
                result = self._run_with(stack)
                finish(
                    self._gateway,
                    self._claim,
                    result,
                    outbox=self._outbox,
                    run_id=self._tracked.run_id if self._tracked else None,
                    pause=self._orders.pause,
                )
        except Superseded:
            log.warning("attempt_superseded", job=self._claim.job, epoch=self._claim.epoch)
        except HandedBack:
            self._outbox.close()
            self.release()
        finally:
            self._outbox.close()
            self.over.set()

    def _not_started(self, error: Exception) -> Result:
        self.unfit = isinstance(error, OSError)
        return start_failed(error)

    def _run_with(self, stack: ExitStack) -> Result:
        try:
            root = stack.enter_context(scratch.attempt_folder(self._settings.scratch, self._claim))
        except OSError as error:
            return self._not_started(error)
        return self._run_in(root)

    def _run_in(self, root: Path) -> Result:
        try:
            archive = self._fetch_archive()
            folder = scratch.prepare(root, self._claim, archive)
            lay_out(self._claim.plugins, folder.plugins, self._fetch_plugin)
            put_inputs(self._claim.inputs, folder.work, self._fetch_input)
            allowed = self._settings.allowance(root, given=used([str(folder.seen)]))
            self._tracked = tracked = TrackedRun.begin(
                self._settings, self._claim, root, self._outbox.add_logged
            )
        except Cancelled:
            return CANCELLED
        except (ArchiveRefused, scratch.Damaged, InputMissing, PluginUnusable, Refused, OSError) as error:
            return self._not_started(error)
        try:
            if tracked.run_id is not None:
                self._outbox.set_run_id(tracked.run_id)
            result = self._run_job(folder, tracked, allowed)
            self._gather(folder)
        except BaseException:
            tracked.abandon()
            raise
        self._end_record(tracked, result, archive, root)
        return result

    def _fetch_archive(self) -> Path:
        digest = self._claim.archive
        return self._fetch(digest, lambda: self._gateway.archive(digest), f"the archive {digest[:12]}")

    def _fetch_plugin(self, pin: PluginPin) -> Path:
        return self._fetch(pin.sha256, lambda: self._gateway.plugin(pin), f"the plugin {named(pin)}")

    def _fetch_input(self, one: InputFile, digest: str) -> Path:
        what = f"the input {one.parameter!r}"
        digest_of = packed_content_digest if one.is_packed else scratch.digest_of_file
        return self._fetch(digest, lambda: self._gateway.input(self._claim, one.parameter), what, digest_of)

    def _fetch(
        self,
        digest: str,
        read: scratch.Read,
        what: str,
        digest_of: Callable[[Path], str] = scratch.digest_of_file,
    ) -> Path:
        kept = self._settings.archives or self._settings.scratch / "archives"
        pause = 0.5
        while True:
            self._orders.pause(0, cancellable=True)
            try:
                return scratch.fetch(kept, digest, read, what=what, digest_of=digest_of)
            except Away:
                self._orders.pause(pause, cancellable=True)
                pause = min(pause * 2, LONGEST_FETCH_PAUSE_SECONDS)

    def _run_job(self, folder: scratch.Folder, tracked: TrackedRun, allowed: Allowance) -> Result:
        asked = AskedFor(self._shelf, folder.work, self._outputs, self._say)
        steps = Steps()
        try:
            channel = Channel(folder.socket, lambda kind, data: self._tell(tracked, asked, steps, kind, data))
        except OSError as error:
            return self._not_started(error)
        asked.start()
        channel.start()
        try:
            result = self._run_fenced(folder, tracked, allowed)
        finally:
            channel.close()
            asked.finish()
        return steps.judge(result)

    def _run_fenced(self, folder: scratch.Folder, tracked: TrackedRun, allowed: Allowance) -> Result:
        memory = MemoryWatch()
        hidden = [Path(name) for name in self._settings.hide.split(":") if name]
        try:
            process = FencedProcess(
                self._fence,
                self._claim.command,
                environment=job_environment(
                    self._claim,
                    folder,
                    tracked,
                    self._settings.prefect_url,
                    prefect_secret=self._settings.prefect_secret,
                    prefect_events=self._settings.prefect_events,
                ),
                visible=[folder.seen, folder.socket.parent],
                work=folder.work,
                hidden=[*hidden, self._settings.scratch, *secret_places()],
                allowed=allowed,
                temporary=folder.tmp,
            )
        except OSError as error:
            return self._not_started(error)
        ended, why = watch(process, self._claim, self._settings, self._orders, self._outbox)
        match why:
            case "superseded":
                raise Superseded
            case "hand_back":
                raise HandedBack
            case "cancel":
                return CANCELLED
            case "timed_out":
                return timed_out(self._claim.timeout or 0)
            case "silent":
                return silent(self._claim.progress_timeout or 0)
        out_of_memory = memory.ran_out()
        return over_limit(ended, allowed, out_of_memory=out_of_memory) or judge(
            ended, out_of_memory=out_of_memory
        )

    def _tell(
        self, tracked: TrackedRun, asked: AskedFor, steps: Steps, kind: str, data: dict[str, Any]
    ) -> None:
        match kind:
            case "step":
                steps.told(kind, data)
                self._outbox.add(
                    EventKind.step, **{name: value for name, value in data.items() if name != "flows"}
                )
            case "flow":
                steps.told(kind, data)
            case "artifact":
                asked.add(data["path"])
            case "metric":
                self._outbox.add(EventKind.metric, **data)
                tracked.metric(data)
            case "progress":
                self._outbox.add(EventKind.progress, **data)

    def _say(self, text: str) -> None:
        """Tell the user something in the log; a script that has us say it again and again makes no log without end."""
        with self._saying:
            self._said += 1
        if self._said <= MOST_SAID:
            print_to(self._outbox)("stderr", f"tiltyard: {text}\n")
        elif self._said == MOST_SAID + 1:
            print_to(self._outbox)("stderr", "tiltyard: what else is left out is not told\n")

    @property
    def _outputs(self) -> str:
        return self._claim.entry_point.outputs or "outputs"

    def _gather(self, folder: scratch.Folder) -> None:
        """Store what is in the declared output folder; a link in that folder's place leads nowhere."""
        work = folder.work.resolve()
        outputs = work / self._outputs
        try:
            if not outputs.is_dir() or outputs.resolve() != outputs or not outputs.is_relative_to(work):
                return
            for path in regular_files(outputs):
                self._keep(path, outputs, path)
                if self._shelf.is_full:
                    self._say(f"what is left in {self._outputs!r} is left out: {TOO_MUCH}")
                    return
        except OSError as error:  # a job may close its folders to us, too
            self._say(f"the folder {self._outputs!r} cannot be read: {error.strerror}")

    def _keep(self, name: str, folder: Path, path: str) -> None:
        try:
            self._shelf.keep(name, folder, path)
        except LeftOut as why:
            self._say(f"the file {path!r} is left out: {why}")

    def _end_record(self, tracked: TrackedRun, result: Result, archive: Path, root: Path) -> None:
        recorded = tracked.end(result.state, archive)
        if not recorded and self._claim.tracked:
            self._say(
                "MLflow is away: what was logged to it is kept with the job, and told to it when it is back"
            )
        for name, path in tracked.artifacts(root / "mlflow-artifacts"):
            self._keep(f"mlflow/{name}", path.parent, path.name)
        if recorded or not self._claim.tracked:
            tracked.close()
        else:
            self._end_record_later(tracked, result, archive, root)

    def _end_record_later(self, tracked: TrackedRun, result: Result, archive: Path, root: Path) -> None:
        try:
            tracked.end_later(
                result.state, archive, self._settings.scratch / scratch.MLFLOW_LATER / root.name
            )
        except OSError as error:  # a record that cannot be kept costs no result
            log.warning("mlflow_left_out", step="everything", job=self._claim.job, error=str(error))
            tracked.close()
