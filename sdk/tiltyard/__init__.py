"""Tiltyard: a testbed for machine-learning security."""

__version__ = "0.1.0"
