"""Evasion: inputs changed a little so that a trained classifier gets them wrong.

Gradients (`gradient`, `adaptive`, `minimal`), scores (`score`, `sparse`), decisions alone (`decision`), a patch that fits any
image (`patch`), and random noise, the control (`noise`).
"""
