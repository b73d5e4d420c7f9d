"""Artifact types: how a value becomes files that are kept, and a value again.

    from tiltyard.artifact_types import artifact_type

    @artifact_type("waveform")
    class Waveform:
        def save(self, value, folder, name, rate=16_000):
            path = folder / f"{name}.wav"
            ...
            return [path]

        def load(self, path):
            ...

A graph names the type of what it keeps (`task: waveform`, with `args` for `save`), or leaves it to the value: an array is
saved as `.npy`, a table as `.csv`, a figure as `.png` and `.svg`, plain data as `.json`, text as `.txt`, a model in the
form of its library. The artifact tasks of Dioptra 1.1 (`serialize` and `deserialize`) are artifact types as well.

Loading a model runs code that its file holds: load what you made or trust. Libraries are imported when a value of theirs is
met, and not before.
"""

from tiltyard.artifact_types.registry import ArtifactType, UnknownArtifactType, artifact_type, named
from tiltyard.artifact_types.saving import NotSaved, load, save, sort_of

__all__ = [
    "ArtifactType",
    "NotSaved",
    "UnknownArtifactType",
    "artifact_type",
    "load",
    "named",
    "save",
    "sort_of",
]
