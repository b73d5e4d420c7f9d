"""The MLflow server, asked over plain HTTP: importing its client would cost seconds, and waiting for it would cost the job."""

from typing import Any
from urllib.parse import quote

import httpx

PATIENCE = httpx.Timeout(5, connect=2)
FILE_PATIENCE = httpx.Timeout(60, connect=2)
API = "api/2.0/mlflow"
FILES = "api/2.0/mlflow-artifacts/artifacts"


class TrackingServer:
    """An MLflow tracking server with `--serve-artifacts`.

    Args:
        url: its address.
    """

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=f"{url.rstrip('/')}/", timeout=PATIENCE, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def get(self, call: str, **params: str) -> dict[str, Any]:
        """Ask for something.

        Raises:
            httpx.HTTPError: it is away, or answered with an error.
        """
        return dict(self.http.get(f"{API}/{call}", params=params).raise_for_status().json())

    def post(self, call: str, body: dict[str, Any]) -> dict[str, Any]:
        """Tell something.

        Raises:
            httpx.HTTPError: it is away, or answered with an error.
        """
        return dict(self.http.post(f"{API}/{call}", json=body).raise_for_status().json())

    def ensure_experiment(self, name: str) -> str:
        """The id of the experiment of this name, which is made if there is none."""
        for _ in range(2):
            found = self.http.get(f"{API}/experiments/get-by-name", params={"experiment_name": name})
            if found.is_success:
                break
            made = self.http.post(f"{API}/experiments/create", json={"name": name})
            if made.is_success:
                return str(made.json()["experiment_id"])
            # Another attempt made it at this moment, or it was deleted and has to be asked for again.
        return str(found.raise_for_status().json()["experiment"]["experiment_id"])

    def file_url(self, artifact_uri: str, path: str) -> str | None:
        """Where a run's file is served; None when the server keeps its files elsewhere."""
        if not artifact_uri.startswith("mlflow-artifacts:/"):
            return None
        root = artifact_uri.removeprefix("mlflow-artifacts:/").lstrip("/")
        return f"{FILES}/{quote(f'{root}/{path}')}"
