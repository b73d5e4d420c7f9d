"""Entry points that come with Tiltyard: folders with an MLproject, to submit as they are and to copy from."""

from pathlib import Path

DIGITS_FGM = Path(__file__).parent / "digits_fgm"
"""The fast gradient method against a logistic regression on the digits."""
