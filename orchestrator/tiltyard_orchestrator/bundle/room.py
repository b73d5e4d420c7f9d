"""How much a bundle may come to: small ones can say very much, and one blob may stand for many files.

What the jobs of a bundle say is kept in memory from when it is judged until it is written; their files are written once for
each job that names them. Both are counted over the whole bundle.
"""

from tiltyard_orchestrator.bundle.framing import BundleRefused

MOST_KEPT = 512 << 20
MOST_FILES = 500_000
MOST_BYTES = 128 << 30


class Room:
    """What is left for a bundle."""

    def __init__(self) -> None:
        self._kept = self._files = self._bytes = 0

    def keep(self, entry: str, size: int) -> None:
        """Count words that are kept until they are written.

        Raises:
            BundleRefused: there are too many.
        """
        self._kept += size
        if self._kept > MOST_KEPT:
            raise _too_large(entry, f"more than {MOST_KEPT >> 20} MiB of jobs, metrics and sweeps")

    def write(self, entry: str, size: int) -> None:
        """Count a file that is to be written, whether or not others have the same bytes.

        Raises:
            BundleRefused: there are too many, or they are too large.
        """
        self._files += 1
        self._bytes += size
        if self._files > MOST_FILES or self._bytes > MOST_BYTES:
            raise _too_large(entry, f"more than {MOST_FILES} files, or {MOST_BYTES >> 30} GiB of them")


def _too_large(entry: str, what: str) -> BundleRefused:
    detail = f"the bundle comes to {what}: export in smaller experiments"
    return BundleRefused("bundle_too_large", entry, detail)
