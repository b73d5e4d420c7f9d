"""How long a job pauses before its next attempt: the longer, the more often it failed."""

from dataclasses import dataclass

from tiltyard.wire.jobs import Reason


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """The pauses, in seconds."""

    first: float = 5
    longest: float = 300

    def seconds(self, reason: Reason | None, *, attempt: int) -> float:
        """The pause after the attempt of this number ended so.

        A worker's loss was waited for already, by a whole lease: the first one costs no pause. What was handed back has
        not failed.
        """
        if reason is Reason.released:
            return 0
        doublings = attempt - 1 if reason is not Reason.worker_lost else attempt - 2
        return 0 if doublings < 0 else min(self.first * 2 ** min(doublings, 60), self.longest)
