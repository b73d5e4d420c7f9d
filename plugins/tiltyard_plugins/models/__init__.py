"""Models to attack and defend: trained here or loaded, and wrapped as estimators of the Adversarial Robustness Toolbox.

What needs torch is in `torch_cnn`, what needs Keras in `keras_cnn`; the other modules load without either.
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
