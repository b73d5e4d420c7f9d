"""How much a plugin may hold, in one place.

The numbers for source text are smaller than an archive's: a syntax tree takes some hundred times the bytes that it was
read from, and whoever pushes a plugin waits for it to be read.
"""

from tiltyard.archive import Limits

MIB = 1024 * 1024

PLUGIN = Limits(packed_bytes=64 * MIB, unpacked_bytes=64 * MIB, files=2_000)
"""Of the archive, wheel or folder that a plugin comes in."""
SOURCE_BYTES = MIB // 2
"""Of one Python file."""
NODES = 500_000
"""Of the syntax trees of all files: some thirty thousand lines of code."""
MANIFEST_BYTES = 64 * 1024
"""Of `plugin.toml`, and of a wheel's METADATA as far as it is read."""
DIOPTRA_BYTES = MIB
"""Of a `dioptra.toml`, which describes many plugins."""
WORK = 300_000
"""Steps of looking names up and of making types, in a whole plugin: forty times those of the testbed's own collection."""
TASKS = 1_000
STEPS = 256
"""Names that are looked up for one annotation, through all its aliases: two per line would else double at each."""
PROBLEMS = 100
"""That one answer tells."""
