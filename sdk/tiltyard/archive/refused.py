"""Why an archive is refused: by the name of a rule, so that a program can decide and a person can repair."""

from enum import StrEnum


class Rule(StrEnum):
    """The rules that an archive keeps."""

    link = "link"
    """Symbolic and hard links are not carried."""
    device = "device"
    """Devices, pipes and sockets are not carried."""
    absolute_path = "absolute_path"
    parent_path = "parent_path"
    """A name holds `..`."""
    backslash = "backslash"
    nul = "nul"
    duplicate = "duplicate"
    """Two names that some file system takes for one, or a name that is a file and a directory."""
    encrypted = "encrypted"
    too_large = "too_large"
    too_many_files = "too_many_files"
    too_deep = "too_deep"
    name_too_long = "name_too_long"
    ratio = "ratio"
    """It unpacks to far more than it is: a decompression bomb."""
    unknown_format = "unknown_format"
    magic_mismatch = "magic_mismatch"
    """The file's name says one format and its first bytes another."""
    damaged = "damaged"
    """Cut off, changed on the way, or followed by something else."""
    not_utf8 = "not_utf8"
    unsupported = "unsupported"
    """A part of the format that no plain archive needs: sparse files, zip64, rare compression methods."""


class ArchiveRefused(Exception):
    """An archive breaks a rule."""

    def __init__(self, rule: Rule, message: str, *, member: str | None = None) -> None:
        self.rule = rule
        self.member = member
        """The member's name, made safe to print; None where the archive as a whole is meant."""
        self.message = message if member is None else f"{printable(member)}: {message}"
        super().__init__(f"{rule}: {self.message}")


def printable(name: str) -> str:
    """Return a name that a terminal and a JSON document take, cut where it is long."""
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name
    )
    return text if len(text) <= 200 else f"{text[:200]}…"
