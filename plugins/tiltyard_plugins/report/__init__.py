"""What an experiment says at its end: its key figures as metrics of the job, and curves of what it measured.

The tasks here know nothing of attacks or models: they take the numbers that other tasks gave, by the names that shall stand
in the legend.
"""
