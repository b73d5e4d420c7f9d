"""Searches parameters as MLflow's tutorials do: a nested run for each candidate, made by hand and by autologging."""

import mlflow
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

images, labels = load_digits(return_X_y=True)
mlflow.sklearn.autolog(log_models=False, max_tuning_runs=None)
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    for fold in range(3):
        with mlflow.start_run(run_name=f"fold {fold}", nested=True):
            mlflow.log_metric("loss", fold)
    GridSearchCV(LogisticRegression(max_iter=20), {"C": [0.1, 1.0]}, cv=2).fit(
        images[:200] / 16, labels[:200]
    )
children = mlflow.search_runs(
    filter_string=f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", output_format="list"
)
for child in children:
    print("run", child.info.run_id)
