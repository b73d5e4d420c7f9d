"""The plugins that a job was given when it was submitted, laid out in its folder; the worker imports none of them.

Each is fetched by its digest, from what is kept on this host or from the gateway, and has a folder of its own, so that two
jobs of one worker may have two versions of it.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tiltyard.archive import ArchiveRefused, unpack
from tiltyard.wire import PluginPin
from tiltyard_workers.gateway import Refused
from tiltyard_workers.supervisor.scratch import Damaged


class PluginUnusable(Exception):
    """A plugin that a job needs cannot be laid out; the message names it."""


def lay_out(pins: Sequence[PluginPin], folder: Path, fetch: Callable[[PluginPin], Path]) -> None:
    """Unpack plugins into folders of their names.

    Args:
        pins: their versions.
        folder: where the folders are made.
        fetch: finds or brings the packed files of one.

    Raises:
        PluginUnusable: one is not to be had, or not what it should be.
        OSError: there is no room for it.
    """
    for pin in pins:
        if not pin.name.isidentifier():
            raise PluginUnusable(f"{pin.name!r} is not the name of a plugin")
        try:
            unpack(fetch(pin), folder / pin.name)
        except (ArchiveRefused, Damaged, Refused) as why:
            raise PluginUnusable(f"the plugin {named(pin)} could not be had: {why}") from why
        except OSError as error:
            said = f"the plugin {named(pin)} could not be unpacked: {error.strerror}"
            raise OSError(error.errno, said) from error


def named(pin: PluginPin) -> str:
    """A version as a person reads it."""
    return f"{pin.name} {pin.version}"


def as_text(pins: Sequence[PluginPin]) -> str:
    """Versions as a job finds them in its environment."""
    return json.dumps([pin.model_dump() for pin in pins])
