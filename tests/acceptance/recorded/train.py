"""Trains, as any tutorial of MLflow's does it; nothing here knows of a testbed."""

import sys

import mlflow
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

name = sys.argv[1]
images, labels = load_digits(return_X_y=True)
mlflow.set_experiment("a name of the script's own")
mlflow.sklearn.autolog(log_models=False)
with mlflow.start_run() as run:
    model = LogisticRegression(max_iter=50).fit(images[:600] / 16, labels[:600])
    mlflow.log_metric("accuracy", model.score(images[600:900] / 16, labels[600:900]))
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    info = mlflow.sklearn.log_model(model, name="model", registered_model_name=name, input_example=images[:2])
mlflow.MlflowClient().set_registered_model_alias(name, "champion", info.registered_model_version)
print("trained in", run.info.run_id)
