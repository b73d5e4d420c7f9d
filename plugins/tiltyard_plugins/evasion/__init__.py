"""Evasion: inputs changed a little so that a trained classifier gets them wrong.

Gradients (`gradient`, `adaptive`, `minimal`), scores (`score`, `sparse`), decisions alone (`decision`), a patch that fits any
image (`patch`), and random noise, the control (`noise`).
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
