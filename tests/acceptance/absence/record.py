"""Tells metrics to MLflow and hands files over, beginning while MLflow and the store are there and ending without them.

Half way it waits for as long as somebody listens at the port that it was given.
"""

import socket
import sys
from contextlib import suppress
from pathlib import Path

import mlflow

import tiltyard

outputs = Path("outputs")
outputs.mkdir()
with mlflow.start_run():
    for step in range(40):
        mlflow.log_metric("step", step, step=step)
        print("step", step, flush=True)
        if step == 30:
            (outputs / "early.txt").write_text("early")
            tiltyard.artifact("outputs/early.txt")
        if step == 20:
            with suppress(OSError), socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as gate:
                gate.recv(1)
(outputs / "late.txt").write_text("late")
print("done", flush=True)
