"""How long a question waits that only MLflow can answer: a gateway or an MLflow that is started anew must fail no script.

Once for each time that MLflow is away. Behind that it is answered at once, so that a script that bears it loses no more time.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

WAIT_SECONDS = 90.0
"""Below the two minutes after which MLflow's client takes an answer for lost."""
PAUSE_SECONDS = 0.5

Answer = TypeVar("Answer")


class Patience:
    """Waits for MLflow in a script's place."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._spent = False

    def wait_for(self, ask: Callable[[], Answer | None]) -> Answer | None:
        """Ask until there is an answer; None when MLflow has been waited for long enough, or nobody waits any more."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._spent and not self._over.wait(PAUSE_SECONDS):
            if (answer := ask()) is not None:
                return answer
            if time.monotonic() >= deadline:
                self._spent = True
        return None

    def renew(self) -> None:
        """MLflow has answered: it is waited for again, the next time that it is away."""
        self._spent = False

    def end(self) -> None:
        """Wait no more."""
        self._over.set()
