"""`python -m tiltyard.cli`."""

from tiltyard.cli import main

main()
