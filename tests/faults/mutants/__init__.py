"""Seeded mutants: the product with one of its locks taken out. A suite that cannot catch them proves nothing.

`python -m tests.faults --mutants` runs each as real processes, under the faults that provoke it, until the judge speaks.
"""
