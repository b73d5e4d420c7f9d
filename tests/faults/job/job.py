"""A job that tells of every start, beat and end to a listener outside of the testbed, and of its work inside of it.

Some leave a stray: a grandchild in a session of its own, which ends by nobody but the fence.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

from tiltyard.script import metric

SECONDS, PORT, MARK, STRAY = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4] == "true"
BEAT_SECONDS = 0.05
BEATS_PER_LINE = 4
STRAY_BEAT_SECONDS = 0.2
STRAY_SECONDS = 120.0
"""Where no fence holds it, it is to be seen, and not to stay for good."""
JOB, EPOCH, ATTEMPT = (os.environ[f"TILTYARD_{name}"] for name in ("JOB_ID", "EPOCH", "ATTEMPT"))
WIRE = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def say(what: str) -> None:
    said = {
        "mark": MARK,
        "job": JOB,
        "epoch": int(EPOCH),
        "attempt": int(ATTEMPT),
        "what": what,
        "at": time.monotonic(),
    }
    WIRE.sendto(json.dumps(said).encode(), ("127.0.0.1", PORT))


def leave_a_stray() -> None:
    if child := os.fork():
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    until = time.monotonic() + STRAY_SECONDS
    while time.monotonic() < until:
        say("stray")
        time.sleep(STRAY_BEAT_SECONDS)
    os._exit(0)


say("start")
if STRAY:
    leave_a_stray()
began = time.monotonic()
beats = 0
while time.monotonic() - began < SECONDS:
    if beats % BEATS_PER_LINE == 0:
        print(f"{EPOCH} {beats // BEATS_PER_LINE}", flush=True)
    beats += 1
    time.sleep(BEAT_SECONDS)
    say("beat")
metric("epoch", int(EPOCH))
Path("outputs").mkdir()
Path("outputs/epoch.txt").write_text(f"{JOB} {EPOCH}\n")
print(f"{EPOCH} end", flush=True)
say("end")
