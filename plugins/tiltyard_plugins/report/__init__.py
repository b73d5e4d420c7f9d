"""What an experiment says at its end: its key figures as metrics of the job, and curves of what it measured.

The tasks here know nothing of attacks or models: they take the numbers that other tasks gave, by the names that shall stand
in the legend.
"""

import tiltyard_plugins.toolbox  # noqa: F401 - before ART, which warns on import where torch is missing
