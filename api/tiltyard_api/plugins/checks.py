"""The job that loads a version before anybody gets it: an ordinary job, of an archive that is made here.

Its bytes are always the same, so that every gateway of a site has the same archive.
"""

import hashlib
from datetime import UTC, datetime

from tiltyard.plugins import canonical
from tiltyard.wire import Archive, EntryPoint, Parameter
from tiltyard_orchestrator.storage.jobs.submit import NewJob

EXPERIMENT = "plugin-checks"
TIMEOUT_SECONDS = 60.0
_COMMAND = "python -m tiltyard.plugins.check {plugin}"
_MLPROJECT = f"""\
name: {EXPERIMENT}
entry_points:
  main:
    parameters:
      plugin: string
    command: "{_COMMAND}"
"""
CHECK_BYTES = canonical({"MLproject": _MLPROJECT.encode()})
CHECK_ARCHIVE = Archive(
    sha256=hashlib.sha256(CHECK_BYTES).hexdigest(),
    size=len(CHECK_BYTES),
    format="tar",
    files=1,
    name=EXPERIMENT,
    entry_points=[
        EntryPoint(name="main", command=_COMMAND, parameters=[Parameter(name="plugin")], outputs="outputs")
    ],
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def check_of(plugin: str, queue: str) -> NewJob:
    """The job that loads a plugin's version; which one, its pin says."""
    return NewJob(
        experiment=EXPERIMENT,
        archive=CHECK_ARCHIVE.sha256,
        entry_point="main",
        parameters={"plugin": plugin},
        command=_COMMAND.format(plugin=plugin),
        queue=queue,
        timeout=TIMEOUT_SECONDS,
        max_attempts=3,
        priority=9,
        description=f"Loads a version of the plugin {plugin}",
    )
