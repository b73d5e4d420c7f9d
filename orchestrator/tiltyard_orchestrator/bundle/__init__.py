"""Bundles: an experiment's ended jobs in one file, for another testbed to read."""
