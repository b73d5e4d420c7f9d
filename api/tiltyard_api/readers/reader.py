"""A reader, in a process of its own: has each upload that it is asked about read by a child of its own.

This process imports what reads, and reads nothing itself: it forks, which takes milliseconds, and passes on what the child
says. So each upload meets a process that has met no other, its bounds are the kernel's to keep, and how it ended is told by
its exit. It ends with its input, whose end says that the gateway is gone, and the child with it.

In: the length of an `Asked`, and that. Out: chunks, each behind its length, a length of 0, and the child's exit code. A child
that could read says the answer on one line, and behind it the packed plugin; one that could not, why.
"""

import gc
import math
import os
import resource
import select
import signal
import struct
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

from tiltyard_api.readers.messages import Asked, Bounds, ReadPlugin
from tiltyard_api.readers.reading import read

LENGTH = struct.Struct(">I")
CODE = struct.Struct(">i")
READY = b"ready"
OUT_OF_MEMORY = 86
"""The exit code that says so: none that an interpreter or a shell uses."""
_CHUNK = 1 << 20
_FILES = 32
_IN, _OUT = 0, 1


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C on a terminal is for the gateway
    gc.freeze()  # a child then copies few pages of what is imported here
    with suppress(BrokenPipeError):
        _say(READY)
        while head := sys.stdin.buffer.read(LENGTH.size):
            code = _have_read(sys.stdin.buffer.read(*LENGTH.unpack(head)))
            os.write(_OUT, LENGTH.pack(0) + CODE.pack(code))


def _say(chunk: bytes) -> None:
    said = memoryview(LENGTH.pack(len(chunk)) + chunk)
    while said:
        said = said[os.write(_OUT, said) :]


def _have_read(asked: bytes) -> int:
    """Pass on what a child says; its exit code, which is a signal's number below 0."""
    said, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(said)
        _answer(asked, into)
    os.close(into)
    try:
        while chunk := _next(said):
            _say(chunk)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(said)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _next(said: int) -> bytes:
    ready, _, _ = select.select([said, _IN], [], [])
    if _IN in ready:  # the gateway asks one thing at a time: this is the end of its asking
        raise SystemExit(0)
    return os.read(said, _CHUNK)


def _answer(asked: bytes, into: int) -> NoReturn:
    """Read in this process, which ends here."""
    code = 1
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):  # neither the questions nor the gateway's log are for who reads
            os.dup2(nowhere, descriptor)
        wanted = Asked.model_validate_json(asked)
        hold_to(wanted.bounds)
        with open(into, "wb") as out:
            try:
                answer = read(wanted.upload)
                out.write(answer.model_dump_json().encode() + b"\n")
                if isinstance(answer, ReadPlugin):
                    out.write(answer.packed)
                code = 0
            except MemoryError:
                code = OUT_OF_MEMORY
            except Exception:  # noqa: BLE001 - whatever it is, the gateway is to know and the next upload not
                out.write(traceback.format_exc(limit=-20).encode(errors="replace"))
    finally:
        os._exit(code)


def hold_to(bounds: Bounds) -> None:
    """Have the kernel end this process where it goes beyond its bounds, whatever it is in the middle of."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, bounds.seconds)
    memory = bounds.mebibytes << 20
    for name, most in {
        "RLIMIT_CPU": math.ceil(bounds.seconds) + 1,
        "RLIMIT_AS": memory,
        "RLIMIT_DATA": memory,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": _FILES,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
    }.items():
        with suppress(AttributeError, ValueError, OSError):  # macOS takes no bounds of memory
            resource.setrlimit(getattr(resource, name), (most, most))
