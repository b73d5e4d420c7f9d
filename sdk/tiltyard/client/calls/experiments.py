"""What a client does with experiments: the part of `AsyncClient`, and of `Client`, that is about them."""

from collections.abc import AsyncIterator, Iterator

from tiltyard.client.calls.base import Calls, Driven
from tiltyard.client.connection import given, segment
from tiltyard.client.pages import read_pages
from tiltyard.wire.experiments import Experiment


class ExperimentCalls(Calls):
    """The calls of an `AsyncClient` that are about experiments."""

    def experiments(self) -> AsyncIterator[Experiment]:
        """Every experiment."""
        return read_pages(self._connection, Experiment, "experiments")

    async def experiment(self, name: str) -> Experiment:
        """One experiment, and how its jobs stand."""
        return await self._connection.ask(Experiment, "GET", f"experiments/{segment(name)}")

    async def create_experiment(self, name: str, *, description: str = "") -> Experiment:
        """Make an experiment. A submission makes its own when there is none."""
        body = {"name": name, "description": description}
        return await self._connection.ask(Experiment, "POST", "experiments", json=body)

    async def update_experiment(
        self, name: str, *, new_name: str | None = None, description: str | None = None
    ) -> Experiment:
        """Change an experiment; what is None stays."""
        body = given({"name": new_name, "description": description})
        return await self._connection.ask(Experiment, "PATCH", f"experiments/{segment(name)}", json=body)

    async def delete_experiment(self, name: str) -> None:
        """Remove an experiment that has no jobs."""
        await self._connection.send("DELETE", f"experiments/{segment(name)}")


class DrivenExperimentCalls(Driven):
    """The same for a `Client`."""

    _client: ExperimentCalls

    def experiments(self) -> Iterator[Experiment]:
        """Every experiment."""
        return self._portal.iterate(self._client.experiments())

    def experiment(self, name: str) -> Experiment:
        """One experiment, and how its jobs stand."""
        return self._portal.run(self._client.experiment(name))

    def create_experiment(self, name: str, *, description: str = "") -> Experiment:
        """Make an experiment. A submission makes its own when there is none."""
        return self._portal.run(self._client.create_experiment(name, description=description))

    def update_experiment(
        self, name: str, *, new_name: str | None = None, description: str | None = None
    ) -> Experiment:
        """Change an experiment; what is None stays."""
        return self._portal.run(
            self._client.update_experiment(name, new_name=new_name, description=description)
        )

    def delete_experiment(self, name: str) -> None:
        """Remove an experiment that has no jobs."""
        self._portal.run(self._client.delete_experiment(name))
