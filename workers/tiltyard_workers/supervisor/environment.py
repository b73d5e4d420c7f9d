"""Everything that a job finds in its environment. It is made from nothing, so that nothing of the worker's is in it."""

import os
import sys
from pathlib import Path

from pydantic import SecretStr

from tiltyard.wire import Claim
from tiltyard_workers.prefect.gate import key_of
from tiltyard_workers.supervisor.plugins import as_text
from tiltyard_workers.supervisor.scratch import Folder
from tiltyard_workers.tracking.run import TrackedRun
from tiltyard_workers.versions import SITE

NO_EVENTS = {"TILTYARD_PREFECT_EVENTS": "none"}
"""Has flows tell Prefect's server no events."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def job_environment(
    claim: Claim,
    folder: Folder,
    tracked: TrackedRun,
    prefect_url: str | None,
    *,
    prefect_secret: SecretStr | None = None,
    prefect_events: bool,
) -> dict[str, str]:
    """A job's whole environment.

    Args:
        claim: the attempt.
        folder: its places.
        tracked: its MLflow run.
        prefect_url: where flows find Prefect's API; None where this worker has none.
        prefect_secret: what the attempt's key to that is made with; None where it takes none.
        prefect_events: whether somebody reads Prefect's events there.
    """
    return {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "PYTHONPATH": os.pathsep.join(
            [*(str(folder.plugins / pin.name) for pin in claim.plugins), str(SITE)]
        ),
        "HOME": str(folder.home),
        "TMPDIR": str(folder.tmp),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "TILTYARD_JOB_ID": claim.job,
        "TILTYARD_ATTEMPT": str(claim.attempt),
        "TILTYARD_EPOCH": str(claim.epoch),
        "TILTYARD_SOCKET": str(folder.socket),
        "TILTYARD_PLUGINS": as_text(claim.plugins),
        **_prefect(folder, prefect_url),
        **_key(claim, prefect_secret),
        **({} if prefect_events else NO_EVENTS),
        **tracked.environment,
    }


def _key(claim: Claim, secret: SecretStr | None) -> dict[str, str]:
    """What lets this attempt alone act on its flow runs."""
    if secret is None:
        return {}
    return {"PREFECT_API_AUTH_STRING": key_of(secret.get_secret_value(), f"{claim.job}.{claim.epoch}")}


def _prefect(folder: Folder, url: str | None) -> dict[str, str]:
    """What makes flows use the host's one Prefect server, and tell nobody else.

    A server of a job's own would cost it ten seconds and 200 MB: where there is no other, there is none.
    """
    return {
        **({"PREFECT_API_URL": url} if url else {}),
        "PREFECT_API_REQUEST_TIMEOUT": "150",  # the first request waits for the server to start
        "PREFECT_HOME": str(folder.home / ".prefect"),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        # What a flow logs is printed, and so is in the job's log already.
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_LOGGING_COLORS": "false",
    }
