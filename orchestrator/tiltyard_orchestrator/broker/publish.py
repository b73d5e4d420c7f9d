"""Ring the bell: tell the workers of a queue that a job is there.

Publishing blocks, so it happens on threads, each with a connection of its own, and never inside a request or a
transaction. What cannot be published now is published again when the keeper's next re-send is due.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from celery import Celery
from kombu import Producer

from tiltyard_orchestrator.broker.wiring import JOBS, RUN_TASK, connect, job_queue
from tiltyard_orchestrator.storage.jobs.dispatch import Due

THREADS = 4
FULL_BELL = 5_000
"""A queue with this many messages needs no more: jobs that wait for hours are not rung for again and again."""
BATCH = 50
"""Messages that one thread publishes in a row."""


class Publisher:
    """Publishes job ids, with the broker's confirmation.

    Args:
        broker_url: `amqp://…` or `redis://…`.
        message_seconds: how long an unread message is kept by a broker that can drop it; by then another was sent.
    """

    def __init__(self, broker_url: str, *, message_seconds: float) -> None:
        self._url = broker_url
        self._message_seconds = message_seconds
        self._celery = Celery("tiltyard", broker=broker_url, set_as_current=False)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="publish")
        self._local = threading.local()
        self._connections: set[Any] = set()

    async def publish(self, due: Sequence[Due]) -> int:
        """Publish jobs, each to its queue, in order.

        Returns:
            How many were published; the others found a bell that is rung enough.

        Raises:
            Exception: the broker is away or did not confirm; some may have been published.
        """
        by_queue: defaultdict[str, list[str]] = defaultdict(list)
        for job in due:
            by_queue[job.queue].append(job.job)
        loop = asyncio.get_running_loop()
        batches = [
            loop.run_in_executor(self._threads, self._publish_batch, queue, jobs[start : start + BATCH])
            for queue, jobs in by_queue.items()
            for start in range(0, len(jobs), BATCH)
        ]
        return sum(await asyncio.gather(*batches))

    async def ready(self) -> bool:
        """Whether the broker answers now."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._ping)
        except Exception:  # noqa: BLE001 - each transport has its own ways to fail
            return False
        return True

    def close(self) -> None:
        """Let the threads go, and close their connections. Blocks for as long as a publish under way does."""
        self._threads.shutdown(cancel_futures=True)
        while self._connections:
            with suppress(Exception):
                self._connections.pop().release()

    def _ping(self) -> None:
        connection = connect(self._url)
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
        finally:
            connection.release()

    def _publish_batch(self, queue: str, jobs: Sequence[str]) -> int:
        try:
            return self._publish_now(queue, jobs)
        except Exception:  # noqa: BLE001 - each transport has its own ways to fail
            self._drop_connection()
            # A connection that was idle may have died unseen: the first failure is worth one fresh try.
            try:
                return self._publish_now(queue, jobs)
            except Exception:
                self._drop_connection()
                raise

    def _publish_now(self, queue: str, jobs: Sequence[str]) -> int:
        producer = self._producer()
        job_queue(queue)(producer.channel).declare()
        # Declaring again changes nothing, and its answer counts the messages; a passive one is not known to every transport.
        declared = producer.channel.queue_declare(queue=queue, durable=True, auto_delete=False)
        room = max(0, FULL_BELL - int(declared.message_count))
        for job in jobs[:room]:
            self._celery.send_task(
                RUN_TASK,
                args=[job],
                producer=producer,
                exchange=JOBS.name,
                routing_key=queue,
                declare=[],  # its default queue, which nobody reads, is declared with every message otherwise
                retry=False,
                ignore_result=True,
                serializer="json",
                delivery_mode=2,
                expiration=self._message_seconds,
                confirm_timeout=10,
            )
        return min(room, len(jobs))

    def _producer(self) -> Any:
        producer = getattr(self._local, "producer", None)
        if producer is None:
            connection = connect(self._url)
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            producer = self._local.producer = Producer(connection.channel(), auto_declare=False)
            self._local.connection = connection
            self._connections.add(connection)
        return producer

    def _drop_connection(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.producer = self._local.connection = None
        if connection is not None:
            self._connections.discard(connection)
            with suppress(Exception):
                connection.release()
