"""Runs a graph entry point inside a job: `python -m tiltyard_workers.runner attack.yaml eps=0.1`.

The graph is read and checked once more, against the plugins that the job was given; then Prefect runs its steps, those that
wait for none of each other side by side. Prefect tells how each step goes by hooks of its states (`tiltyard.telling`); this
package tells of the steps that never become Prefect's: those that are skipped. An artifact is saved as soon as the steps
that it needs have ended, so that a step that fails later takes nothing away.
"""
