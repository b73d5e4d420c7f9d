"""What a client does with queues and the workers that serve them: the part of `AsyncClient`, and of `Client`, about them."""

from collections.abc import AsyncIterator, Iterator

from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import given, segment
from tiltyard.client.pages import read_pages
from tiltyard.wire.queues import Queue
from tiltyard.wire.workers import Worker, WorkerOrder


class QueueCalls(Calls):
    """The calls of an `AsyncClient` that are about queues and workers."""

    def queues(self) -> AsyncIterator[Queue]:
        """Every queue, and how busy it is."""
        return read_pages(self._connection, Queue, "queues")

    async def create_queue(self, name: str, *, description: str = "") -> Queue:
        """Make a queue, for workers of a new image."""
        body = {"name": name, "description": description}
        return await self._connection.ask(Queue, "POST", "queues", json=body)

    async def update_queue(
        self, name: str, *, paused: bool | None = None, description: str | None = None
    ) -> Queue:
        """Pause or resume a queue, or describe it anew. A paused queue takes submissions and starts nothing."""
        body = given({"paused": paused, "description": description})
        return await self._connection.ask(Queue, "PATCH", f"queues/{segment(name)}", json=body)

    def workers(self) -> AsyncIterator[Worker]:
        """Every worker that was heard of lately."""
        return read_pages(self._connection, Worker, "workers")

    async def order_worker(self, worker: str, order: WorkerOrder | str | None) -> Worker:
        """Tell a worker to `drain` (finish, take nothing new) or to `stop` (hand back, end); None lets it rejoin."""
        verb = "rejoin" if order is None else WorkerOrder(order).value
        return await self._connection.ask(
            Worker, "POST", f"workers/{segment(worker)}/{verb}", repeatable=True
        )


class DrivenQueueCalls(Driven):
    """The same for a `Client`."""

    _client: QueueCalls

    def queues(self) -> Iterator[Queue]:
        """Every queue, and how busy it is."""
        return self._portal.iterate(self._client.queues())

    def create_queue(self, name: str, *, description: str = "") -> Queue:
        """Make a queue, for workers of a new image."""
        return self._portal.run(self._client.create_queue(name, description=description))

    def update_queue(self, name: str, *, paused: bool | None = None, description: str | None = None) -> Queue:
        """Pause or resume a queue, or describe it anew."""
        return self._portal.run(self._client.update_queue(name, paused=paused, description=description))

    def workers(self) -> Iterator[Worker]:
        """Every worker that was heard of lately."""
        return self._portal.iterate(self._client.workers())

    def order_worker(self, worker: str, order: WorkerOrder | str | None) -> Worker:
        """Tell a worker to `drain` (finish, take nothing new) or to `stop` (hand back, end); None lets it rejoin."""
        return self._portal.run(self._client.order_worker(worker, order))
