"""What a script recorded while MLflow was away: kept in the order it came, and told to MLflow when it is back."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A call that was answered in MLflow's place."""

    method: str
    path: str
    body: str = ""
    file: str | None = None
    """Where the body is among the files that were kept, when it is a file's."""


class Journal:
    """Entries on disk, oldest first.

    Args:
        path: the file they are kept in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        self.count = 0
        self.dropped = 0

    def add(self, entry: Entry) -> None:
        """Keep an entry; what is too much is counted."""
        line = json.dumps(entry.__dict__) + "\n"
        self._size += len(line)
        if self._size > MOST_BYTES:
            self.dropped += 1
            return
        with self._path.open("a") as out:
            out.write(line)
        self.count += 1

    def move(self, path: Path) -> None:
        """Say that the file is elsewhere now."""
        self._path = path

    def replay(self, tell: Callable[[Entry], Any]) -> None:
        """Tell every entry, oldest first; what was told is forgotten, also when a later one fails.

        Raises:
            Exception: whatever telling one raised.
        """
        if not self.count:
            return
        lines = self._path.read_text().splitlines()
        told = 0
        try:
            for line in lines:
                tell(Entry(**json.loads(line)))
                told += 1
        finally:
            self._path.write_text("".join(f"{line}\n" for line in lines[told:]))
            self.count = len(lines) - told
