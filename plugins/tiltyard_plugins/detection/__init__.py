"""Detectors of poison in a training set, from what a network makes of the inputs just before it decides.

The features come as an array, so that any network's can be looked at: `torch_features` and `keras_features` take them from
an estimator. A detector gives the inputs that it suspects; with the mask of the true poison, `rate_detection` says how right
it is. A detector that flags the same share whatever it sees says so in its report.
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
