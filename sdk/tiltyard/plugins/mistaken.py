"""Says of a folder that was given for a plugin's, and is another, what it is."""

from collections.abc import Mapping
from pathlib import Path

from tiltyard.plugins.manifest import NAME


def other_than_a_plugin(root: Path | Mapping[str, bytes]) -> str:
    """What a folder without a manifest looks like, as a sentence behind what is wrong with it; empty where nothing is known."""
    if not isinstance(root, Path) or not root.is_dir() or (root / NAME).exists():
        return ""
    if (root / "MLproject").exists():
        return ". It looks like an entry point: `tiltyard submit` runs those"
    if (root.resolve().parent / NAME).exists():
        return f". It is the package alone: give the folder around it, which has the {NAME}"
    return ""
