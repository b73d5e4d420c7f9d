"""A testbed for ordinary code. Every method is `AsyncClient`'s of the same name, driven to its end."""

from types import TracebackType
from typing import Self

from tiltyard.client.aio import AsyncClient
from tiltyard.client.calls.artifacts import DrivenArtifactCalls
from tiltyard.client.calls.experiments import DrivenExperimentCalls
from tiltyard.client.calls.following import DrivenFollowCalls
from tiltyard.client.calls.history import DrivenHistoryCalls
from tiltyard.client.calls.jobs import DrivenJobCalls
from tiltyard.client.calls.models import DrivenModelCalls
from tiltyard.client.calls.plugins import DrivenPluginCalls
from tiltyard.client.calls.provenance import DrivenProvenanceCalls
from tiltyard.client.calls.queues import DrivenQueueCalls
from tiltyard.client.calls.results import DrivenResultCalls
from tiltyard.client.calls.submitting import DrivenSubmitCalls
from tiltyard.client.calls.sweep_results import DrivenSweepResultCalls
from tiltyard.client.calls.sweeps import DrivenSweepCalls
from tiltyard.client.calls.tracking import DrivenTrackingCalls
from tiltyard.client.portal import Portal


class Client(
    DrivenArtifactCalls,
    DrivenExperimentCalls,
    DrivenHistoryCalls,
    DrivenJobCalls,
    DrivenModelCalls,
    DrivenPluginCalls,
    DrivenProvenanceCalls,
    DrivenFollowCalls,
    DrivenQueueCalls,
    DrivenResultCalls,
    DrivenSweepCalls,
    DrivenSubmitCalls,
    DrivenSweepResultCalls,
    DrivenTrackingCalls,
):
    """A testbed: the one that `url` and `token` name, or the environment, or the profile.

    A job is named by its id, or by the beginning of one when no other job's id begins so. For arguments and errors see
    `AsyncClient`; a client may be used by many threads, and by one process.

    Example:
        with Client() as testbed:
            job = testbed.submit("examples/digits_fgm", experiment="demo", parameters={"eps": 0.1})
            for event in testbed.follow(job):
                print(event)
    """

    _client: AsyncClient

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        patience: float = 60,
        retry_for: float = 10,
    ) -> None:
        """Take an address; nothing is sent yet."""
        self._client = AsyncClient(url, token, patience=patience, retry_for=retry_for)
        self._portal = Portal()
        self.url = self._client.url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        if self._portal.close.alive:
            self._portal.run(self._client.close())
            self._portal.close()
