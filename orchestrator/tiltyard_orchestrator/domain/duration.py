"""How the domain reads a time-out: as the SDK does, so that a job's steps and its submission mean the same by `5m`."""

from tiltyard.duration import parse_duration

__all__ = ["parse_duration"]
