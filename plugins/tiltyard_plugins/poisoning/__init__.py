"""Poisons: changes of a training set that make whoever trains on it train a worse model, or one with a back door.

Every task gives the poisoned data set together with a mask of what it changed, so that a detector can be judged. Nothing is
trained here but what an attack itself needs. What needs torch is in `gradient_matching`; the rest loads without it.
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
