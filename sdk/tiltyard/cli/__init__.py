"""The `tiltyard` command. Its verbs are read when they are used: a command imports what it needs and nothing else."""

import codecs
import io
import os
import sys

from tiltyard.cli.exits import BROKEN_PIPE
from tiltyard.cli.root import root


def main() -> None:
    """Run the command line; what it exits with is in `tiltyard.cli.exits`."""
    _print_what_fits_no_encoding()
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


def _print_what_fits_no_encoding() -> None:
    """Have a terminal or pipe that is not of UTF-8 get escapes for what it cannot show, and not an error in the middle."""
    for stream in (sys.stdout, sys.stderr):
        if (
            isinstance(stream, io.TextIOWrapper)
            and stream.errors == "strict"
            and not _is_utf8(stream.encoding)
        ):
            stream.reconfigure(errors="backslashreplace")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"
