"""What a mutant is, and how a copy of the product becomes one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.scene import Fault
from tests.faults.verdict import Kind
from tests.faults.yard import ROOTS

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One place in the code, and what is there instead."""

    path: str
    """From the checkout's root."""
    old: str
    """It is there once: a mutant that changes nothing, or more than it says, is none."""
    new: str

    def seeded(self, text: str) -> str:
        """The text with the change in it.

        Raises:
            ValueError: the place is not there, or not there alone.
        """
        if (times := text.count(self.old)) != 1:
            raise ValueError(f"{self.path} has this {times} times, and not once: {self.old.strip()!r}")
        return text.replace(self.old, self.new)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """The product with one lock taken out."""

    name: str
    says: str
    """What it does wrong, in a sentence."""
    changes: tuple[Change, ...]
    provoked_by: tuple[Fault, ...]
    """In this order; none: the load is enough."""
    caught_as: frozenset[Kind]
    """The findings of which one must be there."""


@contextmanager
def seeded(mutant: Mutant, source: Path = CHECKOUT) -> Iterator[Path]:
    """A copy of the import roots that is the mutant, while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="tym-"))
    folder.chmod(0o755)
    try:
        for root in ROOTS:
            shutil.copytree(source / root, folder / root, ignore=shutil.ignore_patterns("__pycache__"))
        for change in mutant.changes:
            path = folder / change.path
            path.write_text(change.seeded(path.read_text()))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
