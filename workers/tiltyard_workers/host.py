"""Runs Celery's worker in this process, with a pool of one process that hosts the supervisor."""

import logging
import os
import secrets
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any

import structlog
from celery import Celery, signals

from tiltyard.wire import Claim, ClaimRequest, WorkerOrder, WorkerState
from tiltyard_workers.broker import RUN_TASK
from tiltyard_workers.fences.fence import Fence
from tiltyard_workers.fences.strays import adopt_strays, end_strays
from tiltyard_workers.gateway import Away, Gateway, Refused, Superseded
from tiltyard_workers.parent import end_with_parent
from tiltyard_workers.prefect.door import flows_served
from tiltyard_workers.presence import Presence
from tiltyard_workers.seldom import Seldom
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.attempt import Attempt
from tiltyard_workers.supervisor.scratch import clear_leftovers, hold

log = structlog.get_logger(__name__)

HAND_BACK = signal.SIGUSR2
"""What the pool's process is sent when its job is to be handed back."""
HAND_BACK_SECONDS = 3.5
"""How long handing a job back takes at most; then its processes end with the supervisor."""
LEAVE_SECONDS = 8.0
"""How long this process outlives being told to stop at once."""
CLAIM_SECONDS = 20.0
"""How long a gateway that does not answer is asked for a job; after that the keeper rings again."""
CLAIM_PAUSE_SECONDS = 0.5
LONGEST_REST_SECONDS = 15.0
"""After a start that failed by this host's fault. It begins with one second, and is doubled each time."""


def host(app: Celery, settings: WorkerSettings, *, queue: str, fence: Fence, presence: Presence) -> int:
    """Serve a queue until told to stop.

    Args:
        app: listens to that queue.
        settings: the worker's.
        queue: the queue.
        fence: what keeps jobs in.
        presence: tells the gateway of this worker.

    Returns:
        The exit code.

    Raises:
        BlockingIOError: a worker of this name runs here already.
    """
    _log_as_lines()
    # Jobs run behind a fence; that this process may be root is what the fence is put up with.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser")

    def ready(sender: Any, **_: Any) -> None:
        # Celery warns so at each lost connection, though the setting that the warning asks for is made. Not before now:
        # Celery, as it starts, has all warnings shown.
        warnings.filterwarnings("ignore", message=r"\s*In Celery 5.1 we introduced")
        stop_as_told(sender, presence)
        heed_orders(sender, presence, queue)
        log.info("listening", queue=queue)

    signals.worker_ready.connect(ready, weak=False)
    with hold(settings.scratch / presence.id), flows_served(settings) as served:
        seat = _Seat(served, queue, fence, presence)
        app.task(name=RUN_TASK, ignore_result=True)(seat.run)
        signals.worker_process_init.connect(seat.sit_down, weak=False)
        presence.keep_saying()
        try:
            return _serve(app)
        finally:
            presence.stop()


def _serve(app: Celery) -> int:
    running = app.Worker(
        hostname=f"tiltyard-{os.getpid()}@%h",
        loglevel=logging.WARNING,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        optimization="fair",
    )
    running.start()
    return int(running.exitcode or 0)


class _Seat:
    """The pool's process: it claims what it is told of, and runs one attempt at a time."""

    def __init__(self, settings: WorkerSettings, queue: str, fence: Fence, presence: Presence) -> None:
        everyones = settings.scratch.resolve()
        archives = settings.archives or everyones / "archives"
        mine = {"scratch": everyones / presence.id, "archives": archives}
        self._settings = settings.model_copy(
            update=mine | {"hide": f"{everyones}:{archives}:{settings.hide}"}
        )
        self._queue = queue
        self._fence = fence
        self._presence = presence
        self._attempt: Attempt | None = None
        self._stopping = threading.Event()
        self._failed_starts = 0
        self._leaving: SimpleQueue[Attempt] = SimpleQueue()

    def sit_down(self, **_: Any) -> None:
        """Make ready, in the pool's process, right after it was forked."""
        end_with_parent()
        adopt_strays()
        self._presence.current.set(None)
        # A connection is not shared with the parent.
        self._gateway = Gateway(self._settings.url, self._settings.worker_token.get_secret_value())
        clear_leftovers(self._settings.scratch)
        signal.signal(HAND_BACK, self._hand_back)
        # It reaches this process when a whole group is told to stop: the parent decides what that means.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        threading.Thread(target=self._leave_in_time, name="leaving", daemon=True).start()

    def run(self, job: str) -> None:
        """Claim a job and run it, be it the one that was rung for or another.

        Whatever happens, Celery hears that the message is done with.
        """
        if self._stopping.is_set():
            return
        claim = self._claim(rung_for=job)
        if claim is None:
            return
        self._presence.current.set(claim.job)
        unfit = True
        try:
            self._attempt = Attempt(claim, self._gateway, self._settings, self._fence)
            if self._stopping.is_set():
                self._attempt.hand_back()
            self._attempt.run()
            unfit = self._attempt.unfit
        except Exception:
            # The lease runs out, and the job goes to another worker.
            log.exception("attempt_broke", job=claim.job)
        finally:
            self._attempt = None
            end_strays()
            self._presence.current.set(None)
        self._rest(unfit=unfit)

    def _rest(self, *, unfit: bool) -> None:
        """Leave jobs to other workers for a while after one could not start here, or a full disk would use all of them up."""
        self._failed_starts = self._failed_starts + 1 if unfit else 0
        if unfit:
            seconds = min(2.0 ** (self._failed_starts - 1), LONGEST_REST_SECONDS)
            log.warning("resting", seconds=seconds, failed_starts=self._failed_starts)
            self._stopping.wait(seconds)

    def _claim(self, *, rung_for: str) -> Claim | None:
        """Ask for the job whose turn it is, with the same token until there is an answer: a lost one costs no lease."""
        asked = ClaimRequest(worker=self._presence.id, token=f"tya_{secrets.token_urlsafe(32)}")
        until = time.monotonic() + CLAIM_SECONDS
        while True:
            try:
                return self._gateway.claim(self._queue, asked)
            except (Refused, Superseded) as why:
                log.info("not_claimed", rung_for=rung_for, why=str(why))
                return None
            except Away as why:
                if time.monotonic() > until or self._stopping.wait(CLAIM_PAUSE_SECONDS):
                    log.warning("not_claimed", rung_for=rung_for, why=str(why))
                    return None

    def _hand_back(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()
        if self._attempt is not None:
            self._attempt.hand_back()
            self._leaving.put(self._attempt)

    def _leave_in_time(self) -> None:
        """Go at the latest when handing back took too long: an upload or a gateway that hangs holds nobody up."""
        attempt = self._leaving.get()
        if not attempt.over.wait(HAND_BACK_SECONDS):
            attempt.release()
            os._exit(1)


def stop_as_told(consumer: Any, presence: Presence) -> None:
    """Have SIGTERM and SIGINT drain this worker, and the second of them, or SIGQUIT, hand its job back."""
    drain = signal.getsignal(signal.SIGTERM)

    def hand_back() -> None:
        leave = threading.Timer(LEAVE_SECONDS, os._exit, [1])
        leave.daemon = True
        leave.start()
        for process in consumer.pool._pool._pool:  # noqa: SLF001 - billiard tells its processes in no other way
            with suppress(ProcessLookupError):
                os.kill(process.pid, HAND_BACK)

    def on_signal(number: int, frame: FrameType | None) -> None:
        again = presence.state is not None
        if not again:
            presence.state = WorkerState.draining
            if callable(drain):
                drain(signal.SIGTERM, frame)
        if again or number == signal.SIGQUIT:
            hand_back()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, on_signal)


def heed_orders(consumer: Any, presence: Presence, queue: str) -> None:
    """Have what the gateway orders done: take nothing new, take jobs again, or hand back and stop."""

    def heed(order: WorkerOrder | None) -> None:
        log.info("ordered", order=str(order) if order else "rejoin")
        match order:
            case WorkerOrder.drain:
                consumer.call_soon(consumer.cancel_task_queue, queue)
            case WorkerOrder.stop:
                os.kill(os.getpid(), signal.SIGQUIT)
            case None:
                consumer.call_soon(consumer.add_task_queue, queue)

    presence.heed = heed
    if presence.order is not None:  # it came while nobody could heed it
        heed(presence.order)


def _log_as_lines() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("celery.worker.consumer.consumer").addFilter(Seldom())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
