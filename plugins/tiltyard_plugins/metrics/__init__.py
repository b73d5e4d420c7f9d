"""Metrics: what a model gets right with and without an attack, how far an attack went, and how that grows with its budget."""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
