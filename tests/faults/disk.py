"""A small disk of its own under one folder, which can be full or read-only. Only who may mount has one."""

import errno
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.servers import wait_for

BALLAST = ".ballast"
BUSY_SECONDS = 10.0


class Disk:
    """A file system in memory.

    Args:
        folder: where it is mounted; made when it is missing.
        mebibytes: its size.
        files: how many files it holds; 0: any number. Full means then that one more cannot be made.
    """

    def __init__(self, folder: Path, *, mebibytes: int, files: int) -> None:
        self.folder, self._files = folder, files
        folder.mkdir(exist_ok=True)
        options = f"size={mebibytes}m,nr_inodes={files},mode=755"
        self.mounted = _mount("-t", "tmpfs", "-o", options, "tyf", str(folder))

    def fill(self) -> None:
        """Leave no room for a byte, a folder or a file."""
        ballast = self.folder / BALLAST
        with suppress(FileExistsError):
            ballast.mkdir()
        with suppress(OSError), (ballast / "bytes").open("ab", buffering=0) as out:
            while out.write(b"\0" * (1 << 16)):
                pass
        if not self._files:
            return
        try:
            for number in range(sum(1 for _ in ballast.iterdir()), 1 << 30):
                (ballast / str(number)).touch()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise

    def empty(self) -> None:
        """Have room again."""
        ballast = self.folder / BALLAST
        if ballast.is_dir():
            for path in ballast.iterdir():
                path.unlink()
            ballast.rmdir()

    def protect(self) -> None:
        """Take no write any more."""
        # While a file is open for writing, the kernel will not have it.
        wait_for(lambda: _mount("-o", "remount,ro", str(self.folder)), seconds=BUSY_SECONDS)

    def heal(self) -> None:
        """Be as good as new."""
        if self.mounted:
            _mount("-o", "remount,rw", str(self.folder))
            self.empty()

    def close(self) -> None:
        """Be no more."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


def _mount(*words: str) -> bool:
    with suppress(FileNotFoundError):
        return subprocess.run(["mount", *words], check=False, capture_output=True).returncode == 0
    return False
