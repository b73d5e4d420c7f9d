"""A model of MLflow's registry comes back as what it was, from a real server, in a Python of its own as in a job."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.mlflow import mlflow_server

REGISTER = """
import json, mlflow
from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.classic import classifier

data = digits(flat=True, limit=300)
mlflow.set_experiment("registry")
with mlflow.start_run() as run:
    for limit in (150, 300):
        model = classifier(digits(flat=True, limit=limit))
        mlflow.sklearn.log_model(model, name=f"of{limit}", registered_model_name="victim", pip_requirements=[])
        print(json.dumps(model.predict_proba(data.x_test).tolist()))
mlflow.MlflowClient().set_registered_model_alias("victim", "champion", 1)
print(json.dumps(run.info.run_id))
"""
LOAD = """
import json, sys
from tiltyard_plugins.data.packaged import digits
from tiltyard_plugins.models.registry import registered_model

data = digits(flat=True, limit=300)
for uri in sys.argv[1:]:
    model = registered_model(uri)
    assert type(model).__name__ == "LogisticRegression", type(model)
    print(json.dumps(model.predict_proba(data.x_test).tolist()))
"""


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


def python(text: str, *arguments: str, url: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", text, *arguments]
    environment = os.environ | {"MLFLOW_TRACKING_URI": url}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def printed(done: subprocess.CompletedProcess[str]) -> list[object]:
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[", '"'))]


def test_a_registered_model_is_found_by_version_alias_and_run_and_says_what_it_said(
    mlflow_url: str, tmp_path: Path
) -> None:
    registered = python(REGISTER, url=mlflow_url, cwd=tmp_path)
    assert registered.returncode == 0, registered.stderr
    first, second, run = printed(registered)
    assert first != second
    uris = ("models:/victim/1", "models:/victim@champion", f"runs:/{run}/of300", "models:/victim/2")
    loaded = python(LOAD, *uris, "models:/victim/3", url=mlflow_url, cwd=tmp_path)
    assert loaded.returncode == 1, "there is no version 3"
    assert "Model Version (name=victim, version=3) not found" in loaded.stderr
    assert printed(loaded) == [first, first, second, second]
