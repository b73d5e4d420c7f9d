"""The Celery application. Its whole duty: deliver a job's id and host the supervisor; it keeps no truth and retries nothing."""

import time
from collections.abc import Callable

from celery import Celery
from kombu import Exchange, Queue

from tiltyard_workers.redis_transport import serve_redis

RUN_TASK = "tiltyard.run"
DAY_SECONDS = 24 * 3600
CONNECT_SECONDS = 4.0
TURNED_AWAY = {403: "ACCESS_REFUSED", 406: "PRECONDITION_FAILED", 530: "NOT_ALLOWED"}
"""By AMQP's numbers: a password, a right or a virtual host, or how many connections there may be; a queue made otherwise."""
KNOCK_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds until a broker that turned a worker away is asked again: a worker that was killed may hold its connections yet, and
a broker that has just started not know its users."""


class TurnedAway(Exception):
    """The broker is there and will not have this worker; the words are the broker's own."""


def make_celery(broker_url: str, queue: str) -> Celery:
    """An application that listens to one queue."""
    serve_redis()
    app = Celery("tiltyard", broker=broker_url)
    app.conf.update(
        task_queues=[
            Queue(queue, Exchange("jobs", type="direct", durable=True), routing_key=queue, durable=True)
        ],
        task_default_queue=queue,
        task_default_exchange="jobs",
        task_default_exchange_type="direct",
        task_default_routing_key=queue,
        # A message is done with when its job is: should this process die before, the broker has it still. That it then
        # rings twice is harmless, because only a claim starts a job.
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        # A job that kills its worker is not rung for again at once and without end: its lease runs out instead.
        task_reject_on_worker_lost=False,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_pool="prefork",
        # A broker that goes away ends no job.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A RabbitMQ that bears no message as long as a job may run closes the channel: that is worth another one, no more.
        broker_channel_error_retry=True,
        broker_heartbeat=30,
        broker_transport_options=_transport_options(broker_url),
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_track_started=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_log_format="%(asctime)s %(levelname)s %(message)s",
        worker_redirect_stdouts=False,
        worker_proc_alive_timeout=60,
    )
    return app


def knock(app: Celery, *, tell: Callable[[str], None]) -> None:
    """Connect and declare the worker's queue as Celery will, which would try a wrong password for ever.

    A broker that is away is no matter: Celery waits for it.

    Args:
        app: listens to the queue.
        tell: called once with the broker's words, when it is to be asked again.

    Raises:
        TurnedAway: for half a minute it did not let this worker in, or not to its queue.
    """
    for number, pause in enumerate(KNOCK_PAUSES):
        try:
            return _knock_once(app)
        except TurnedAway as refusal:
            if number == 0:
                tell(str(refusal))
            time.sleep(pause)
    return _knock_once(app)


def _knock_once(app: Celery) -> None:
    with app.connection_for_read(connect_timeout=CONNECT_SECONDS) as connection:
        if connection.transport.driver_type != "amqp":
            return  # the embedded broker, whose password `tiltyard up` wrote down itself
        away = (*connection.connection_errors, *connection.channel_errors)
        try:
            channel = connection.connect().channel()
            for queue in app.amqp.queues.values():
                queue(channel).declare()
        except away as error:
            code = getattr(error, "reply_code", None)
            if code in TURNED_AWAY:
                said = getattr(error, "reply_text", "").removeprefix(f"{TURNED_AWAY[code]} - ")
                raise TurnedAway(said or str(error)) from error


def _transport_options(broker_url: str) -> dict[str, object]:
    if broker_url.startswith("redis"):
        # A job that runs longer is rung for again beside itself, and that only a claim starts one makes it harmless.
        return {"visibility_timeout": DAY_SECONDS, "socket_keepalive": True}
    return {"confirm_publish": True}
