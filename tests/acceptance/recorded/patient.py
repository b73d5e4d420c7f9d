"""Logs a metric now and then, until a file says that MLflow was away and it is enough."""

import time

import mlflow

with mlflow.start_run():
    for step in range(40):
        mlflow.log_metric("step", step, step=step)
        print("step", step, flush=True)
        time.sleep(0.2)
print("done")
