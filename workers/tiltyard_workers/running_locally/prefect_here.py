"""Prefect's server for local runs: one for this user, started when a run needs it, and kept for ten minutes after.

It is the server of worker hosts, in a folder of the user's; a small process holds it between runs.
"""

import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import structlog

from tiltyard_workers.prefect.door import START_SECONDS, Door
from tiltyard_workers.prefect.place import Place

KEPT_SECONDS = 600
_TOLD_EVERY = 1.0


def folder_here() -> Path:
    """Return where it is."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "tiltyard" / "prefect"


@contextmanager
def prefect_here(folder: Path | None = None, *, kept_seconds: float = KEPT_SECONDS) -> Iterator[str]:
    """Yield the address at which flows find a server; the one in PREFECT_API_URL where that is set."""
    if theirs := os.environ.get("PREFECT_API_URL"):
        yield theirs
        return
    # The door tells its own story, to the log of a worker.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    place = Place(folder or folder_here())
    with place.as_worker():
        door = Door(place)
        door.start()
        try:
            yield door.url
        finally:
            door.close()
            if place.socket.exists():
                _keep(place, kept_seconds)


def wait_for(url: str, tell: Callable[[float], None]) -> None:
    """Wait until the server answers; `tell` is called every second with the seconds so far.

    Raises:
        OSError: it does not.
    """
    began = time.monotonic()
    with httpx.Client(trust_env=False, timeout=_TOLD_EVERY) as client:
        while (waited := time.monotonic() - began) < START_SECONDS:
            try:
                answer = client.get(f"{url}/health")
            except httpx.TimeoutException:
                tell(waited)
                continue
            except httpx.HTTPError as error:
                raise OSError(f"Prefect's server did not start: {error}") from error
            if answer.is_success:
                return
            raise OSError(f"Prefect's server did not start: {answer.text[:500]}")
    raise OSError(f"Prefect's server did not answer within {START_SECONDS:g} s")


def _keep(place: Place, seconds: float) -> None:
    """Have the server outlive this run for a while."""
    (place.folder / "used").touch()
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(place.folder), str(seconds)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def hold(folder: Path, seconds: float) -> None:
    """Hold the server until it was not used for so long. Another process that holds it already is enough."""
    place = Place(folder)
    with (folder / "kept").open("w") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with place.as_worker():
            while (rest := (folder / "used").stat().st_mtime + seconds - time.time()) > 0:
                time.sleep(min(rest, seconds))


if __name__ == "__main__":
    hold(Path(sys.argv[1]), float(sys.argv[2]))
