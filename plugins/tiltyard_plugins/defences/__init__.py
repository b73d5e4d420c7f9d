"""Defences: what is done to the inputs, to the training, or to the model, so that attacks find less.

A defence that the library would quietly leave out, or undo, is refused. A gain against an attacker who does not know of the
defence is no robustness: attack the defended estimator itself, which ART's gradients see through (BPDA).
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
