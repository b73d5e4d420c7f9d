"""Reads, packs and checks plugins: what the gateway, the workers and `tiltyard plugin` know of one.

A plugin comes from outside. Reading it runs nothing of it; only `tiltyard.plugins.check`, in a job's sandbox or on its
author's machine, imports it.
"""

from tiltyard.plugins.packing import canonical, digest, write_canonical
from tiltyard.plugins.reading import PluginSource, read_plugin

__all__ = ["PluginSource", "canonical", "digest", "read_plugin", "write_canonical"]
