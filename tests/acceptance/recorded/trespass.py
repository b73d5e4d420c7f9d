"""Writes where it may not, and prints what it is told."""

import sys

import mlflow

with mlflow.start_run():
    mlflow.log_metric("mine", 1)
try:
    mlflow.MlflowClient().log_metric(sys.argv[1], "accuracy", 1.0)
except mlflow.MlflowException as error:
    print("refused:", error)
