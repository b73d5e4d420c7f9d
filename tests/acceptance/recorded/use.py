"""Uses what another run registered, and looks for the run."""

import sys

import mlflow
from sklearn.datasets import load_digits

name = sys.argv[1]
images, labels = load_digits(return_X_y=True)
model = mlflow.sklearn.load_model(f"models:/{name}@champion")
version = mlflow.MlflowClient().get_model_version_by_alias(name, "champion")
experiment = mlflow.get_run(version.run_id).info.experiment_id
found = mlflow.search_runs([experiment], filter_string="metrics.accuracy > 0.5")
assert version.run_id in set(found["run_id"]), found
assert model.score(images[600:900] / 16, labels[600:900]) > 0.5
print("used", version.run_id)
