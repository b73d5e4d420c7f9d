"""Sends an attempt's result until it is recorded, for as long as that takes."""

from collections.abc import Callable

import structlog

from tiltyard.wire import Claim, Finish
from tiltyard_workers.gateway import Away, Gateway, Refused
from tiltyard_workers.supervisor.outbox import Outbox
from tiltyard_workers.supervisor.result import Result

LONGEST_PAUSE_SECONDS = 15.0

log = structlog.get_logger(__name__)


def finish(
    gateway: Gateway,
    claim: Claim,
    result: Result,
    *,
    outbox: Outbox,
    run_id: str | None,
    pause: Callable[[float], None],
) -> None:
    """Send the last events and the result.

    Args:
        gateway: where to.
        claim: the attempt.
        result: how it ended.
        outbox: has the events that were not sent yet.
        run_id: the MLflow run that recorded it.
        pause: waits so many seconds, and raises when the attempt is to end meanwhile.

    Raises:
        Superseded: the job is not this attempt's any more.
        HandedBack: the worker is to stop now, and the result was not taken.
    """
    first, events = outbox.close()
    seconds = 0.5
    while True:
        try:
            first, events = outbox.send_rest(first, events)
            said = Finish(first=first, events=events, mlflow_run_id=run_id, **vars(result))
            answer = gateway.finish(claim, said)
        except Away as away:
            log.warning("finish_delayed", job=claim.job, error=str(away))
            pause(seconds)
            # Sending it is also what renews the lease: a pause is never longer than that needs.
            seconds = min(seconds * 2, LONGEST_PAUSE_SECONDS, claim.renew_seconds)
        except Refused as refused:
            log.warning("finish_refused", job=claim.job, code=refused.code, error=str(refused))
            if not events:
                return
            events = []  # a result without its last events is worth more than none
        else:
            log.info("finished", job=claim.job, attempt=claim.attempt, state=str(answer.state))
            return
