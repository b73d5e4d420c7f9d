"""Names that every file system takes, for files whose names anybody may have chosen.

What some system would refuse, hide, or take for another file is written in another way: control characters and marks that
turn text around, what Windows reserves, dots and spaces at an end, and names that are too long. Names that differ in case
or in their Unicode form alone are told apart by a number. The same names always come out the same.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

LONGEST = 180
"""Bytes of one part: leaves room for what a program adds while it writes."""
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)(\..*)?", re.IGNORECASE
)
_FORBIDDEN = frozenset('<>:"\\|?*/')
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class PlainNames:
    """The names of one tree of files, each given once."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, ...], dict[str, str]] = {}
        self._folded: dict[tuple[str, ...], dict[str, int]] = {}
        """What is taken in each folder, and the last number that was given to tell another such name apart."""

    def path(self, path: str) -> str:
        """A path below some folder, which stays below it: each part is a plain name of its own."""
        parts = path.split("/")
        plain: list[str] = []
        for place, part in enumerate(parts):
            kind = "file" if place == len(parts) - 1 else "folder"
            plain.append(self._name(tuple(parts[:place]), f"{kind}:{part}", part))
        return "/".join(plain)

    def _name(self, folder: tuple[str, ...], key: str, part: str) -> str:
        taken = self._taken.setdefault(folder, {})
        if key not in taken:
            folded = self._folded.setdefault(folder, {})
            name = _untaken(plain_name(part), folded)
            folded[_fold(name)] = 1
            taken[key] = name
        return taken[key]


def plain_paths(paths: Iterable[str]) -> dict[str, str]:
    """Paths and how each is written down, whatever the order in which they are given."""
    names = PlainNames()
    return {path: names.path(path) for path in sorted(paths)}


def plain_name(part: str) -> str:
    """One part of a path as every file system takes it."""
    name = "".join(_written(character) for character in part)
    if name[-1:] in {".", " "}:
        name = name[:-1] + _quoted(name[-1])
    if name[:1] == " " or _RESERVED.fullmatch(name):
        name = _quoted(name[0]) + name[1:]
    if len(name.encode()) > LONGEST:
        name = _shortened(name, hashlib.sha256(part.encode(errors="surrogatepass")).hexdigest()[:12])
    return name or "%"


def _written(character: str) -> str:
    hostile = character in _FORBIDDEN or unicodedata.category(character) in _HIDDEN
    return _quoted(character) if hostile else character


def _quoted(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))


def _shortened(name: str, mark: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix.encode()) > 20:
        stem, dot, suffix = name, "", ""
    room = LONGEST - len(f"~{mark}{dot}{suffix}".encode())
    kept = stem.encode()[:room].decode(errors="ignore")
    return f"{kept}~{mark}{dot}{suffix}"


def _untaken(name: str, folded: dict[str, int]) -> str:
    alike = _fold(name)
    if alike not in folded:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    # From the last one on: names that differ in case alone may be very many.
    found = name
    while _fold(found) in folded:
        folded[alike] += 1
        found = f"{stem}~{folded[alike]}{dot}{suffix}"
    return found


def _fold(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
