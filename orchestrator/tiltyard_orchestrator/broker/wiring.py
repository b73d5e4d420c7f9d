"""How the broker is laid out: the names that gateway and workers agree on, and a connection made for each.

A message carries a job's id and nothing else. Losing or doubling one never matters.
"""

from kombu import Connection, Exchange, Queue

JOBS = Exchange("jobs", type="direct", durable=True)
EVENTS = Exchange("events", type="fanout", durable=False, auto_delete=False)
RUN_TASK = "tiltyard.run"

_AMQP_OPTIONS = {
    "confirm_publish": True,
    "connect_timeout": 5,
    "read_timeout": 15,
    "write_timeout": 15,
}
_REDIS_OPTIONS = {
    "socket_timeout": 15,
    "socket_connect_timeout": 5,
    # Redelivery is the keeper's business: a message that its own transport repeats tells nothing new.
    "visibility_timeout": 24 * 3600,
}


def connect(broker_url: str) -> Connection:
    """A connection, opened at its first use, that gives up within seconds instead of waiting for ever."""
    options = _REDIS_OPTIONS if broker_url.startswith("redis") else _AMQP_OPTIONS
    return Connection(broker_url, transport_options=options, connect_timeout=5, heartbeat=0)


def job_queue(name: str) -> Queue:
    """The durable classic queue of the workers of one image."""
    return Queue(name, exchange=JOBS, routing_key=name, durable=True)
