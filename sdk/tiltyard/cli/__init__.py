"""The `tiltyard` command. Its verbs are read when they are used: a command imports what it needs and nothing else."""

import os
import sys

from tiltyard.cli.exits import BROKEN_PIPE
from tiltyard.cli.root import root


def main() -> None:
    """Run the command line; what it exits with is in `tiltyard.cli.exits`."""
    code: str | int | None
    try:
        root(prog_name="tiltyard")
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would flush again while it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or BROKEN_PIPE
    sys.exit(code)
