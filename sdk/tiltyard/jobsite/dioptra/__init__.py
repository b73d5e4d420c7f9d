"""The names that scripts and plugins written for Dioptra import, so that they run in jobs as they are.

Only what such code uses inside a job is here, and it maps to this testbed's own: see `pyplugs`.
"""
