"""The files that a plugin comes as: a folder, an archive, a wheel, or a mapping of names to contents.

Whatever it is, the rules are those of archives: a folder is packed and read again, so that what is refused there is refused
here. Links, names that leave the folder and files without end never get as far as being read.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from tiltyard.archive import ArchiveRefused, Rule, pack_directory
from tiltyard.archive.members import read_members
from tiltyard.archive.names import Tree, parts_of
from tiltyard.plugins.limits import PLUGIN
from tiltyard.plugins.problems import problem
from tiltyard.wire.problems import ProblemItem

Files = Mapping[str, bytes]
"""Contents by name; names are relative, with slashes."""


def files_of(root: Path | Files) -> dict[str, bytes] | list[ProblemItem]:
    """The files of a plugin, or the rule that they break."""
    try:
        if not isinstance(root, Path):
            return _checked(root)
        if not root.is_dir():
            return _unpacked(root)
        with TemporaryDirectory() as folder:
            packed = Path(folder) / "plugin.tar.gz"
            pack_directory(root, packed, PLUGIN)
            return _unpacked(packed)
    except ArchiveRefused as refused:
        return [problem(refused.member or "", str(refused.rule), refused.message)]


def _unpacked(path: Path) -> dict[str, bytes]:
    return {
        member.name: b"".join(member.chunks) for member in read_members(path, PLUGIN) if not member.directory
    }


def _checked(given: Files) -> dict[str, bytes]:
    tree = Tree(PLUGIN)
    files: dict[str, bytes] = {}
    for name, content in given.items():
        parts = parts_of(name, PLUGIN)
        tree.add_file(parts)
        files["/".join(parts)] = bytes(content)
    if sum(map(len, files.values())) > PLUGIN.unpacked_bytes:
        raise ArchiveRefused(Rule.too_large, f"the files are more than {PLUGIN.unpacked_bytes} bytes")
    return files
