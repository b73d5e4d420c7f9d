"""Tiltyard: a testbed for machine-learning security.

A script that runs as a job tells of itself with `progress`, `metric` and `artifact`, and uses a plugin's tasks in a flow
by `plugin`; `task` makes a function such a task. A program that submits jobs uses
`Client` or `AsyncClient`. A job's start is paid for by every job, so this module imports the standard library alone: the
clients are imported when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

from tiltyard.script import artifact, metric, progress
from tiltyard.tasks import task

if TYPE_CHECKING:
    from tiltyard.client.aio import AsyncClient
    from tiltyard.client.errors import NotFound, Refused, TiltyardError, Unauthorized, Unreachable
    from tiltyard.client.sync import Client
    from tiltyard.steps import plugin

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "NotFound",
    "Refused",
    "TiltyardError",
    "Unauthorized",
    "Unreachable",
    "__version__",
    "artifact",
    "metric",
    "plugin",
    "progress",
    "task",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Jobs import this module, and need no client and most of them no flow.
    if name == "plugin":
        from tiltyard.steps import plugin  # noqa: PLC0415

        return plugin
    from tiltyard import client  # noqa: PLC0415

    return getattr(client, name)
