"""What a worker says of itself, every few seconds and whenever it changes."""

import mmap
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from tiltyard.wire import WorkerHeartbeat, WorkerOrder, WorkerState
from tiltyard_workers.environment import environment
from tiltyard_workers.gateway import Away, Gateway, Refused
from tiltyard_workers.versions import modules, packages, versions

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
LAST_WORD_SECONDS = 2.0
_BYTES = 64


class CurrentJob:
    """The job that the pool's process runs, readable by its parent: a page of memory that both share."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _BYTES)

    def set(self, job: str | None) -> None:
        """Note a job, or none."""
        self._page[:] = (job or "").encode().ljust(_BYTES, b"\0")

    def get(self) -> str | None:
        """The job noted last."""
        return self._page[:].rstrip(b"\0").decode() or None


class Presence:
    """Tells the gateway of this worker, from a thread of its own.

    Args:
        gateway: whom to tell.
        queue: the queue that it serves.
        image: the image that it runs in.
        fence: the name of its fence.
        every: seconds between two heartbeats when nothing changes.
        name: what it is called; its host, queue and process id where that is empty.
        image_digest: of the image that it runs in, where somebody told it.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        queue: str,
        image: str,
        fence: str,
        every: float,
        name: str = "",
        image_digest: str = "",
    ) -> None:
        said = name or f"{socket.gethostname()}.{queue}.{os.getpid()}"
        self.id = re.sub(r"[^A-Za-z0-9._:@-]", "-", said)[:200]
        self.current = CurrentJob()
        self.state: WorkerState | None = None
        """`draining` or `stopped` once it is; else its order and the current job say."""
        self.heed: Callable[[WorkerOrder | None], None] = lambda _order: None
        """Called with each order that is new, and with None when it is taken back."""
        self.order: WorkerOrder | None = None
        """What the gateway wants of this worker, as it was last told."""
        self._incarnation = secrets.token_hex(8)
        self._gateway = gateway
        self._queue = queue
        self._image = image
        self._fence = fence
        self._every = every
        self._versions = versions()
        lock = packages()
        self._surroundings: dict[str, Any] = {
            "packages": lock,
            "modules": modules(),
            "environment": environment(lock, image=image, image_digest=image_digest),
        }
        """What is here, which does not change while this process lives."""
        self._untold = self._surroundings
        """What of it the gateway does not know: all of it at first, and when it has forgotten this worker."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_saying, name="presence", daemon=True)

    def say(self) -> None:
        """Tell how it is now.

        Raises:
            Refused: the token or the queue is not known.
            Away: the gateway does not answer.
        """
        job = self.current.get()
        busy = WorkerState.busy if job else WorkerState.idle
        state = self.state or (WorkerState.draining if self.order else busy)
        said = WorkerHeartbeat(
            host=socket.gethostname(),
            queue=self._queue,
            image=self._image,
            pid=os.getpid(),
            incarnation=self._incarnation,
            state=state,
            fence=self._fence,
            job=job,
            versions=self._versions,
            **self._untold,
        )
        answer = self._gateway.heartbeat(self.id, said)
        self._untold = self._surroundings if answer.tell_all else {}
        if answer.order != self.order and self.state is None:
            self.order = answer.order
            self.heed(answer.order)

    def keep_saying(self) -> None:
        """Tell every few seconds and at each change, until the process ends."""
        self._thread.start()

    def stop(self) -> None:
        """Say a last word."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(LAST_WORD_SECONDS)
        self.state = WorkerState.stopped
        self.current.set(None)
        with suppress(Away, Refused):
            self.say()

    def _keep_saying(self) -> None:
        said: object = None
        refusal = ""
        silent = 0.0
        while not self._stopped.wait(LOOK_SECONDS):
            silent += LOOK_SECONDS
            now = (self.state, self.order, self.current.get())
            if now != said or silent >= self._every:
                silent = 0.0
                try:
                    self.say()
                    refusal = ""
                except Away:
                    continue
                except Refused as refused:
                    if str(refused) != refusal:
                        log.warning("heartbeat_refused", error=str(refused))
                    refusal = str(refused)
                said = now
