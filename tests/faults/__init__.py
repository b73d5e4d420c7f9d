"""The fault suite: a site of real processes under load, faults that are proven to bite, and a judge.

`python -m tests.faults --count 200` runs it; README.md says how to read it and how to add to it.
"""
