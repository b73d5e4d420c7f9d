"""Going on trying: waits that grow, with jitter, until nothing has come back for too long."""

import asyncio
import random
import time

from tiltyard.client.errors import Unreachable

_SHORTEST = 0.1
_LONGEST = 5.0


class Patience:
    """How long a caller is content to get nothing; every sign of life starts it anew."""

    def __init__(self, seconds: float, whom: str) -> None:
        self._seconds = seconds
        self._whom = whom
        self._since: float | None = None
        self._failures = 0

    def share(self, at_most: float) -> float:
        """Seconds to give one try: so few that there is patience left for another."""
        return min(at_most, max(1.0, self._seconds / 3))

    def reward(self) -> None:
        """Something came: forget the failures."""
        self._since = None
        self._failures = 0

    async def bear(self, why: str, *, at_least: float = 0) -> None:
        """Wait before the next try.

        Raises:
            Unreachable: patience is at its end.
        """
        now = time.monotonic()
        self._since = self._since if self._since is not None else now
        left = self._seconds - (now - self._since)
        if left <= 0:
            raise Unreachable(f"The gateway at {self._whom} cannot be reached: {why}.")
        longest = min(_LONGEST, _SHORTEST * 2**self._failures)
        self._failures += 1
        jittered = longest * random.uniform(0.5, 1)  # noqa: S311 - spreads clients out, keeps no secret
        await asyncio.sleep(min(max(jittered, at_least), left))
