"""Attacks on privacy: who was in the training data, what a label's inputs look like, what an input hides.

Each attack is scored on inputs that it was not fitted to, and beside a control: chance, or an attacker without the model. An
attack that is set so that it could find nothing is refused, and never reported as a private model.
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
