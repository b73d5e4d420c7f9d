"""How much looking-up one plugin may cost: a few lines can name each other so that reading them takes hours, or all memory."""

from dataclasses import dataclass

from tiltyard.plugins.limits import WORK


class TooMuch(Exception):
    """The plugin cannot be read in one go."""


@dataclass(kw_only=True)
class Work:
    """What is left for a plugin."""

    left: int = WORK

    def spend(self, count: int = 1) -> None:
        """Count steps: names followed, types made.

        Raises:
            TooMuch: there were more than a plugin may take.
        """
        self.left -= count
        if self.left < 0:
            raise TooMuch
