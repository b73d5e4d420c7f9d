"""Model extraction: copying a model by asking it. Budgets are numbers of queries, and are kept to exactly."""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
