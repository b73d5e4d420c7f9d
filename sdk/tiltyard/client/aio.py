"""A testbed for programs that have an event loop."""

from types import TracebackType
from typing import Self

from tiltyard.client.calls.artifacts import ArtifactCalls
from tiltyard.client.calls.experiments import ExperimentCalls
from tiltyard.client.calls.following import FollowCalls
from tiltyard.client.calls.history import HistoryCalls
from tiltyard.client.calls.jobs import JobCalls
from tiltyard.client.calls.models import ModelCalls
from tiltyard.client.calls.plugins import PluginCalls
from tiltyard.client.calls.provenance import ProvenanceCalls
from tiltyard.client.calls.queues import QueueCalls
from tiltyard.client.calls.results import ResultCalls
from tiltyard.client.calls.submitting import SubmitCalls
from tiltyard.client.calls.sweep_results import SweepResultCalls
from tiltyard.client.calls.sweeps import SweepCalls
from tiltyard.client.calls.tracking import TrackingCalls
from tiltyard.client.connection import Connection
from tiltyard.profile import load_profile


class AsyncClient(
    ArtifactCalls,
    ExperimentCalls,
    HistoryCalls,
    JobCalls,
    ModelCalls,
    PluginCalls,
    ProvenanceCalls,
    FollowCalls,
    QueueCalls,
    ResultCalls,
    SweepCalls,
    SubmitCalls,
    SweepResultCalls,
    TrackingCalls,
):
    """A testbed: the one that `url` and `token` name, or the environment, or the profile.

    A job is named by its id, or by the beginning of one when no other job's id begins so.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float = 60,
        retry_for: float = 10,
    ) -> None:
        """Take an address; nothing is sent yet.

        Args:
            url: The gateway's address, such as `http://127.0.0.1:8420`.
            token: A user's token.
            patience: Seconds that following a job bears an unreachable gateway.
            retry_for: Seconds that any other request does.

        Raises:
            NoTestbed: no testbed was given, and none is known here.
        """
        testbed = load_profile(url=url, token=token)
        self.url = testbed.url
        self._patience = patience
        self._connection = Connection(testbed.url, testbed.token, retry_for=retry_for)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()
