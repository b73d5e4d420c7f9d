"""How much of the disk a job's folders take. It needs the standard library alone, because the warden runs it.

Blocks count, and not what a sparse file claims to hold; a file with several names counts once; one that was removed and
is still open counts as long as a process of the job has it open. Not seen is one that was removed and is only mapped.
"""

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain

LEAST_A_FILE = 16 << 10
"""A file system runs out of files, too: the usual ones have one for each 16 KiB."""
BLOCK = 512
SOONEST_SECONDS = 1.0
REST = 20
"""After a look there is none for so many times as long as it took: a million files cost a twentieth of a processor."""


_GONE = (FileNotFoundError, NotADirectoryError)
"""It was here a moment ago."""


class Hidden(Exception):
    """A folder that cannot be looked into: it is nested too deep, or is closed again each time that it is opened."""


class Disk:
    """Measures folders now and then, and at once when their file systems have lost as much room as was left of the limit.

    Args:
        places: the job's folders.
        most: how many bytes they may take.
        processes: tells the job's processes.
    """

    def __init__(self, places: list[str], most: int, processes: Callable[[], Iterable[int]]) -> None:
        self._places = places
        self._most = most
        self._processes = processes
        self._looking = threading.Lock()
        # Held open: where there is no namespace, a job may move them away.
        self._systems = {os.stat(place).st_dev: os.open(place, os.O_RDONLY) for place in places}
        self._room = self._free()
        self._cost = 0.0
        self.found: int | None = None
        """Bytes, when it was last looked at; None: it was not yet."""
        self.is_hidden = False
        """Whether it could not be looked at."""

    @property
    def is_passed(self) -> bool:
        """Whether there was more than there may be, or nobody can tell."""
        return self.is_hidden or (self.found is not None and self.found > self._most)

    @property
    def may_be_passed(self) -> bool:
        """Whether there can be more than there may be, as far as the file systems can tell."""
        return self.found is None or self.found + self._room - self._free() > self._most

    def look(self) -> None:
        """Measure.

        Raises:
            OSError: it cannot be done now.
        """
        with self._looking:
            began = time.monotonic()
            self._room = self._free()
            try:
                self.found = used(self._places, self._processes())
            except Hidden:
                self.is_hidden = True
            self._cost = time.monotonic() - began

    def watch(self) -> None:
        """Measure until there is too much; a look that fails is one that comes later."""
        while not self.is_passed:
            with suppress(OSError):
                self.look()
            with suppress(OSError):
                self._rest()

    def _free(self) -> int:
        """Bytes that are free on the file systems of the folders."""
        systems = map(os.statvfs, self._systems.values())
        return sum(system.f_bavail * system.f_frsize for system in systems)

    def _rest(self) -> None:
        began = time.monotonic()
        while (rested := time.monotonic() - began) < max(SOONEST_SECONDS, REST * self._cost):
            time.sleep(SOONEST_SECONDS)
            if self.is_passed or (rested > self._cost and self.may_be_passed):
                return


def used(places: Iterable[str], processes: Iterable[int] = ()) -> int:
    """Bytes that folders take of the disk, with what processes keep open of what was removed there.

    Raises:
        Hidden: something in them cannot be looked at, in either of two tries: a job may change a mode just then.
    """
    folders, owners = list(places), list(processes)
    try:
        return _used(folders, owners)
    except Hidden:
        return _used(folders, owners)


def _used(places: list[str], processes: list[int]) -> int:
    folders = [place for place in places if os.path.isdir(place)]
    devices = {os.stat(place).st_dev for place in folders}
    inside = _inside(folders)
    removed = (found for found in _removed(processes) if found.st_dev in devices)
    total, counted = 0, set()
    for found in chain(inside, removed):
        if (found.st_dev, found.st_ino) in counted:
            continue
        devices.add(found.st_dev)  # a subvolume or an overlay has others inside
        if found.st_nlink != 1:
            counted.add((found.st_dev, found.st_ino))
        total += max(found.st_blocks * BLOCK, LEAST_A_FILE)
    return total


def _inside(folders: list[str]) -> Iterator[os.stat_result]:
    while folders:
        folder = folders.pop()
        try:
            if not os.access(folder, os.R_OK | os.X_OK, effective_ids=True):
                os.chmod(folder, 0o700)  # it is the job's, as whom we are here: nothing hides behind a mode
            with os.scandir(folder) as entries:
                for entry in entries:
                    if (found := _looked_at(entry)) is None:
                        continue
                    if stat.S_ISDIR(found.st_mode):
                        folders.append(entry.path)
                    yield found
        except _GONE:
            continue
        except OSError as error:
            raise Hidden(folder) from error


def _looked_at(entry: "os.DirEntry[str]") -> "os.stat_result | None":
    try:
        return entry.stat(follow_symlinks=False)
    except _GONE:
        return None


def _removed(processes: Iterable[int]) -> Iterator[os.stat_result]:
    for process in processes:
        with suppress(OSError):
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    found = os.stat(f"/proc/{process}/fd/{descriptor}")
                    if stat.S_ISREG(found.st_mode) and found.st_nlink == 0:
                        yield found
