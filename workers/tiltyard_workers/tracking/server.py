"""MLflow behind the gateway, asked over plain HTTP: its client would cost seconds, and waiting for it would cost the job."""

from typing import Any
from urllib.parse import quote

import httpx

PATIENCE = httpx.Timeout(5, connect=2)
FILE_PATIENCE = httpx.Timeout(60, connect=2)
API = "api/2.0/mlflow"
FILES = "api/2.0/mlflow-artifacts/artifacts"
JOB_HEADER = "X-Tiltyard-Job"
"""Beside a worker's token: judge the call by what this job may do. A script's words get no right that the script had not."""


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


class TrackingServer:
    """MLflow as the gateway serves it.

    Args:
        gateway: the gateway's address.
        token: the worker's token. What a script sends goes with its attempt's instead.
    """

    def __init__(self, gateway: str, token: str) -> None:
        self.http = httpx.Client(
            base_url=f"{gateway.rstrip('/')}/mlflow/",
            headers=bearer(token),
            timeout=PATIENCE,
            trust_env=False,
        )

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

    def ensure_experiment(self, name: str, known: str | None) -> str:
        """MLflow's id of the experiment of this name, which the gateway makes there if there is none.

        Args:
            name: as it was when the job was claimed.
            known: its id, if it had one then: it may have another name by now.
        """
        try:
            return str(self.post("experiments/create", {"name": name})["experiment_id"])
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 404 or known is None:
                raise
            return known

    def file_url(self, artifact_uri: str, path: str) -> str | None:
        """Where a run's file is served; None when the server keeps its files elsewhere."""
        if not artifact_uri.startswith("mlflow-artifacts:/"):
            return None
        root = artifact_uri.removeprefix("mlflow-artifacts:/").lstrip("/")
        return f"{FILES}/{quote(f'{root}/{path}')}"
