"""Does with a registered model whatever MLflow's client can do with one, and takes it away again."""

import sys

import mlflow
from sklearn.linear_model import LinearRegression

name = sys.argv[1]
client = mlflow.MlflowClient()
with mlflow.start_run():
    logged = mlflow.sklearn.log_model(
        LinearRegression().fit([[1.0]], [2.0]), name="model", input_example=[[1.0]], pip_requirements=[]
    )
for _ in range(2):
    mlflow.register_model(logged.model_uri, name, tags={"made": "by a script"})
client.update_registered_model(name, "a line")
client.set_registered_model_tag(name, "kind", "linear")
client.delete_registered_model_tag(name, "kind")
client.update_model_version(name, "1", "the first")
client.delete_model_version_tag(name, "1", "made")
client.transition_model_version_stage(name, "1", "Production")
client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
stages = [client.get_model_version(name, version).current_stage for version in ("1", "2")]
assert stages == ["Archived", "Production"], stages
assert [one.version for one in client.get_latest_versions(name, ["Production"])] == ["2"]
client.set_registered_model_alias(name, "champion", "1")
client.set_registered_model_alias(name, "champion", "2")
client.rename_registered_model(name, f"{name}-renamed")
name = f"{name}-renamed"
assert client.get_model_version_by_alias(name, "champion").version == "2"
assert mlflow.pyfunc.load_model(f"models:/{name}@champion").predict([[1.0]]) == [2.0]
client.copy_model_version(f"models:/{name}@champion", f"{name}-copy")
found = client.search_model_versions(
    f"name = '{name}' AND version_number > 1", order_by=["version_number DESC"]
)
assert [one.version for one in found] == ["2"], found
client.delete_registered_model_alias(name, "champion")
client.delete_model_version(name, "1")
for one in (name, f"{name}-copy"):
    client.delete_registered_model(one)
assert not client.search_registered_models(f"name LIKE '{name}%'")
print("all answered")
