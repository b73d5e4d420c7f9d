"""When silence may be held against a worker.

A lease that ran out says that nobody heard of the worker. Where the gateway was frozen or new, or the database was away,
nobody could have: then the silence is ours, and leases are left alone until the workers had time to be heard again.
"""

LEASES_TO_LISTEN = 1.25
"""How many leases' time a keeper listens, undisturbed, before it takes one away."""


class Patience:
    """Tells a keeper whether it has listened for long enough.

    Args:
        lease_seconds: the length of a lease.
        look_seconds: how often the keeper looks; a look that comes much later says that it was frozen.
    """

    def __init__(self, *, lease_seconds: float, look_seconds: float) -> None:
        self._needed = lease_seconds * LEASES_TO_LISTEN
        self._longest_gap = look_seconds * 2 + 1
        self._since: float | None = None
        self._last: float | None = None

    def look(self, now: float, *, healthy: bool) -> bool:
        """Note a look at the clock, and whether the database answered.

        Args:
            now: seconds of a clock that never goes back.
            healthy: whether the database answered since the last look.

        Returns:
            Whether leases that ran out may be taken away now.
        """
        frozen = self._last is not None and now - self._last > self._longest_gap
        self._last = now
        if not healthy:
            self._since = None
            return False
        if self._since is None or frozen:
            self._since = now
        return now - self._since >= self._needed
