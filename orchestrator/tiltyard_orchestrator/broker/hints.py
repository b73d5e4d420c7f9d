"""Hints: word that a job's history has grown, passed to every gateway and whoever else listens.

A hint only wakes a reader, which then pulls from the database; one that is lost costs the reader its next poll, and one
that is doubled costs an empty read. So hints are sent without confirmation, coalesced, and dropped when the broker is away.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from kombu import Consumer, Producer, Queue

from tiltyard_orchestrator.broker.wiring import EVENTS, connect

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 2.0
"""Between two tries to reach a broker that is away."""
MOST_UNSENT = 10_000
STOP_SECONDS = 0.2
"""How long the listener may not notice that it is to stop."""


class Subscription:
    """A reader's bell: it rings for one job, or for every job."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._jobs: set[str] = set()

    def ring(self, job: str) -> None:
        """Note that a job changed."""
        self._jobs.add(job)
        self._rung.set()

    async def wait(self, seconds: float) -> set[str]:
        """The jobs that changed since the last call; empty when none did for that long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()
        changed, self._jobs = self._jobs, set()
        return changed


class Hints:
    """The gateway's end of the `events` exchange.

    Args:
        broker_url: `amqp://…` or `redis://…`.
    """

    def __init__(self, broker_url: str) -> None:
        self._url = broker_url
        self._by_job: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._of_all: set[Subscription] = set()
        self._unsent: dict[str, None] = {}
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Listen and send, on two threads; called on the event loop that the readers live on."""
        self._loop = asyncio.get_running_loop()
        for work in (self._listen, self._send):
            name = f"hints{work.__name__}"
            thread = threading.Thread(target=self._keep, args=(work,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop both threads; blocks for a moment."""
        self._stopping.set()
        with self._news:
            self._news.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)

    def announce(self, job: str) -> None:
        """Tell everyone that a job's history has grown. Never blocks, never fails."""
        self._ring(job)
        with self._news:
            if len(self._unsent) < MOST_UNSENT:
                self._unsent[job] = None
                self._news.notify()

    @contextmanager
    def subscribe(self, job: str | None = None) -> Iterator[Subscription]:
        """A bell for one job, or for all of them, while the block lasts."""
        subscription = Subscription()
        subscribers = self._of_all if job is None else self._by_job[job]
        subscribers.add(subscription)
        try:
            yield subscription
        finally:
            subscribers.discard(subscription)
            if job is not None and not subscribers:
                self._by_job.pop(job, None)

    def _ring(self, job: str) -> None:
        for subscription in (*self._by_job.get(job, ()), *self._of_all):
            subscription.ring(job)

    def _keep(self, work: Any) -> None:
        was_away = False
        while not self._stopping.is_set():
            try:
                with connect(self._url) as connection:
                    connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
                    was_away = False
                    work(connection)
            except Exception as error:  # noqa: BLE001 - each transport has its own ways to fail, and all mean: again
                if not was_away:
                    log.warning("hints_away", error=str(error) or type(error).__name__)
                was_away = True
                self._stopping.wait(PAUSE_SECONDS)

    def _listen(self, connection: Any) -> None:
        channel = connection.channel()
        own = Queue("", exchange=EVENTS, exclusive=True, auto_delete=True, durable=False)
        with Consumer(channel, queues=[own], callbacks=[self._heard], no_ack=True, accept=["json"]):
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=STOP_SECONDS)

    def _heard(self, body: Any, _message: Any) -> None:
        if isinstance(body, str) and self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop closes while the gateway stops
                self._loop.call_soon_threadsafe(self._ring, body)

    def _send(self, connection: Any) -> None:
        producer = Producer(connection.channel(), exchange=EVENTS, serializer="json")
        while not self._stopping.is_set():
            with self._news:
                self._news.wait_for(lambda: self._unsent or self._stopping.is_set(), timeout=1)
                jobs, self._unsent = list(self._unsent), {}
            for job in jobs:
                producer.publish(job, routing_key="", delivery_mode=1, retry=False)
