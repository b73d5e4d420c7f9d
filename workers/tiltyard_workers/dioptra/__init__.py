"""`tiltyard import-dioptra`: what a `dioptra.toml` describes, as plugins to push and archives to submit.

A folder of Dioptra 1.x holds plugins (Python files, and which functions in them are tasks), types, and entry points (a YAML
file with a graph and the artifacts that it keeps). Python files are copied as they are. What the description says beside
them is kept where it is used: a plugin's tasks in a `dioptra.toml` of its own, an entry point's parameters, artifact inputs
and the names of its tasks' results at the top of its graph file, above the lines that its author wrote.

All or nothing: everything is read and checked before a file is written, and every problem is told at once.
"""
