"""Stores the files that a script asks to be kept while it runs, one after the other, beside everything else."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Full, Queue

from tiltyard_workers.gateway import Superseded
from tiltyard_workers.supervisor.gather import LeftOut, Shelf
from tiltyard_workers.supervisor.orders import HandedBack

MOST_WAITING = 1_000
LOOK_SECONDS = 0.5


class AskedFor:
    """A queue of files to store.

    Args:
        shelf: what stores them.
        folder: the job's folder; a file elsewhere is not kept.
        outputs: the folder below it whose files are gathered at the end; what lies there has one name, asked for or gathered.
        say: tells the user of what is left out.
    """

    def __init__(self, shelf: Shelf, folder: Path, outputs: str, say: Callable[[str], None]) -> None:
        self._shelf = shelf
        self._folder = folder
        self._outputs = os.path.normpath(outputs) + "/"
        self._say = say
        self._queue: Queue[str | None] = Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._store_all, name="asked-for", daemon=True)

    def start(self) -> None:
        """Begin to store."""
        self._thread.start()

    def add(self, path: str) -> None:
        """Ask for a file, by a path in the job's folder or an absolute one."""
        try:
            self._queue.put_nowait(path)
        except Full:
            self._say(f"the artifact {path!r} is left out: too many wait to be stored")

    def finish(self) -> None:
        """Wait until all that was asked for is stored, or the attempt has to end."""
        while self._thread.is_alive():  # one that broke takes nothing out of a full queue
            with suppress(Full):
                self._queue.put(None, timeout=LOOK_SECONDS)
                break
        self._thread.join()

    def _store_all(self) -> None:
        while (path := self._queue.get()) is not None:
            place = self._below(path)
            try:
                self._shelf.keep(place.removeprefix(self._outputs), self._folder, place)
            except LeftOut as why:
                self._say(f"the artifact {path!r} is left out: {why}")
            except (Superseded, HandedBack):
                break
        while self._queue.get_nowait() if not self._queue.empty() else None:
            pass

    def _below(self, path: str) -> str:
        for folder in (self._folder, self._folder.resolve()):
            if Path(path).is_relative_to(folder):
                return Path(path).relative_to(folder).as_posix()
        return os.path.normpath(path)
