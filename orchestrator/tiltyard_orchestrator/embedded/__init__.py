"""The whole testbed on one machine with nothing else installed: `tiltyard up`."""
