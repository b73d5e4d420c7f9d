"""Metrics: what a model gets right with and without an attack, how far an attack went, and how that grows with its budget."""
