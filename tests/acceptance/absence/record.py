"""Tells metrics to MLflow and hands files over, beginning while MLflow and the store are there and ending without them."""

import time
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
        time.sleep(0.2)
(outputs / "late.txt").write_text("late")
print("done", flush=True)
