"""How MLflow is reached: it stands behind the gateway, and takes the same tokens."""

from pydantic import BaseModel

from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import segment


class _Ticket(BaseModel):
    ticket: str


class TrackingCalls(Calls):
    """The calls of an `AsyncClient` that are about MLflow."""

    @property
    def mlflow_url(self) -> str:
        """What MLflow's own client takes as `MLFLOW_TRACKING_URI`, beside the token as `MLFLOW_TRACKING_TOKEN`."""
        return f"{self._connection.url}/mlflow"

    async def mlflow_entrance(self) -> str:
        """An address that lets one browser in to MLflow's pages, for half a day. It is good once, for half a minute."""
        made = await self._connection.ask(_Ticket, "POST", "tickets")
        return f"{self.mlflow_url}/enter?ticket={segment(made.ticket)}"


class DrivenTrackingCalls(Driven):
    """The same for a `Client`."""

    _client: TrackingCalls

    @property
    def mlflow_url(self) -> str:
        """See `AsyncClient.mlflow_url`."""
        return self._client.mlflow_url

    def mlflow_entrance(self) -> str:
        """See `AsyncClient.mlflow_entrance`."""
        return self._portal.run(self._client.mlflow_entrance())
