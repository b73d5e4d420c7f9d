"""Packs, reads and unpacks archives: one reader for the command line, the gateway and the workers.

An archive comes from outside. It is read as a stream, by our own reading of tar and zip headers, within limits and
without writing anything that is not a regular file or a directory; what breaks a rule is refused by the rule's name.
"""

from tiltyard.archive.contents import Contents, inspect, read_texts
from tiltyard.archive.formats import detect_format
from tiltyard.archive.limits import LIMITS, Limits
from tiltyard.archive.packing import pack_directory
from tiltyard.archive.refused import ArchiveRefused, Rule
from tiltyard.archive.unpacking import unpack

__all__ = [
    "LIMITS",
    "ArchiveRefused",
    "Contents",
    "Limits",
    "Rule",
    "detect_format",
    "inspect",
    "pack_directory",
    "read_texts",
    "unpack",
]
