"""Everything that a job finds in its environment. It is made from nothing, so that nothing of the worker's is in it."""

import sys
from pathlib import Path

from tiltyard.wire import Claim
from tiltyard_workers.supervisor.scratch import Folder
from tiltyard_workers.tracking.run import TrackedRun

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def job_environment(claim: Claim, folder: Folder, tracked: TrackedRun) -> dict[str, str]:
    """A job's whole environment."""
    return {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "HOME": str(folder.home),
        "TMPDIR": str(folder.tmp),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "TILTYARD_JOB_ID": claim.job,
        "TILTYARD_ATTEMPT": str(claim.attempt),
        "TILTYARD_EPOCH": str(claim.epoch),
        "TILTYARD_SOCKET": str(folder.socket),
        **tracked.environment,
    }
