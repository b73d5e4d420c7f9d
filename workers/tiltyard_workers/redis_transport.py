"""Celery's transport over Redis, for a worker that must never go deaf.

A worker takes the next message when the last one is acknowledged. An acknowledgement that finds the broker away is given up
by Celery with a line in its log, and counted by kombu as outstanding for as long as the process lives: such a worker would
not even ask the broker that came back. Here it is forgotten instead. The broker may then deliver that message once more,
which is harmless: only a claim starts a job.
"""

import structlog
from kombu.transport import TRANSPORT_ALIASES, redis, virtual

log = structlog.get_logger(__name__)


class _Deliveries(redis.QoS):  # type: ignore[misc]  # kombu has no types
    """What was delivered and is not done with."""

    def ack(self, delivery_tag: str) -> None:
        """Be done with a message, also where the broker cannot be told."""
        try:
            super().ack(delivery_tag)
        except self.channel.connection_errors as error:
            log.warning("not_acknowledged", error=str(error))
            virtual.QoS.ack(self, delivery_tag)


class _Channel(redis.Channel):  # type: ignore[misc]  # kombu has no types
    QoS = _Deliveries


class Transport(redis.Transport):  # type: ignore[misc]  # kombu has no types
    """The transport of `redis://` and `rediss://`."""

    Channel = _Channel


def serve_redis() -> None:
    """Have this process reach every Redis by this transport."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))
