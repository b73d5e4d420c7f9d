"""What a client does with sweeps: the part of `AsyncClient`, and of `Client`, that is about many jobs as one thing."""

import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from os import PathLike
from typing import Any, Unpack

from tiltyard.client import stream_many
from tiltyard.client.calls.base import Driven
from tiltyard.client.calls.submitting import SubmitCalls
from tiltyard.client.connection import given, segment
from tiltyard.client.pages import read_pages
from tiltyard.client.submission import Choices, Wanted, plain
from tiltyard.wire.archives import Archive
from tiltyard.wire.events import End, Event
from tiltyard.wire.jobs import JobState
from tiltyard.wire.sweeps import Axis, Cell, Sweep, SweepPlan, SweepRetried

Axes = Mapping[str, Any] | Sequence[Axis]
"""By parameter: a list (or an array) of values, or a range as `{"from": 0, "to": 0.3, "count": 7, "scale": "log"}`."""
_ANSWER_SECONDS = 120.0
"""How long the gateway may take to write a large sweep."""
_LONGEST_WAIT = 30.0
"""Seconds of one request that waits for a sweep's end."""
_PAGE = 1000


class SweepCalls(SubmitCalls):
    """The calls of an `AsyncClient` that are about sweeps. A sweep is named as a job is: by its id or the beginning of it."""

    async def submit_sweep(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        axes: Axes,
        mode: str = "grid",
        count: int | None = None,
        seed: int | None = None,
        max_parallel: int | None = None,
        idempotency_key: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> Sweep:
        """Submit a job for each choice of values of some parameters, but for those that were run before.

        Args:
            archive: as for `submit`.
            axes: the parameters that take several values, and the values.
            mode: `grid`, each value with each; `zip`, the first of all, then the second; `random`, `count` of them.
            count: how many a random sweep draws.
            seed: of a random sweep; one is made up where none is given, and told.
            max_parallel: how many of its jobs may be in their queue or running at a time.
            idempotency_key: submitting again with the same one gives the sweep that the first time made.
            wanted: as for `submit`; `description` is the sweep's.

        Raises:
            Refused: something is wrong; `errors` holds all of it, and nothing of the sweep was made.
        """
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        more = {"mode": mode, "count": count, "seed": seed, "max_parallel": max_parallel}
        body = await self._sweep_body(archive, axes, wanted, more)
        return await self._connection.ask(
            Sweep, "POST", "sweeps", json=body, headers=key, repeatable=True, answer_within=_ANSWER_SECONDS
        )

    async def plan_sweep(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        axes: Axes,
        mode: str = "grid",
        count: int | None = None,
        seed: int | None = None,
        **wanted: Unpack[Wanted],
    ) -> SweepPlan:
        """What `submit_sweep` would come to: how many cells, how many of them known. Of the sweep nothing is made.

        Raises:
            Refused: something is wrong; `errors` holds all of it.
        """
        more = {"mode": mode, "count": count, "seed": seed}
        body = await self._sweep_body(archive, axes, wanted, more)
        return await self._connection.ask(
            SweepPlan, "POST", "sweeps:validate", json=body, repeatable=True, answer_within=_ANSWER_SECONDS
        )

    async def _sweep_body(
        self, archive: str | PathLike[str] | Archive, axes: Axes, wanted: Choices, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        body = await self._body(wanted, archive=await self._stored(archive))
        return body | given(more) | {"axes": _as_axes(axes)}

    def sweeps(self, *, experiment: str | None = None) -> AsyncIterator[Sweep]:
        """Sweeps, newest first."""
        return read_pages(self._connection, Sweep, "sweeps", {"experiment": experiment})

    async def sweep(self, sweep: str | Sweep) -> Sweep:
        """A sweep as it stands now."""
        return await self._connection.ask(Sweep, "GET", f"sweeps/{segment(_name(sweep))}")

    def sweep_cells(
        self, sweep: str | Sweep, *, state: JobState | str | Sequence[JobState | str] = ()
    ) -> AsyncIterator[Cell]:
        """A sweep's cells in their order, or those of them whose job is in this state."""
        states = [state] if isinstance(state, str) else list(state)
        asked = {"limit": _PAGE, "state": [JobState(one).value for one in states]}
        return read_pages(self._connection, Cell, f"sweeps/{segment(_name(sweep))}/cells", asked)

    async def update_sweep(self, sweep: str | Sweep, **changes: Any) -> Sweep:
        """Change its `max_parallel` (None lifts the limit) or its `description`; what is not given stays."""
        return await self._connection.ask(Sweep, "PATCH", f"sweeps/{segment(_name(sweep))}", json=changes)

    async def pause_sweep(self, sweep: str | Sweep) -> Sweep:
        """Start no more of its jobs; what runs goes on."""
        return await self._steer(sweep, "pause")

    async def resume_sweep(self, sweep: str | Sweep) -> Sweep:
        """Let its jobs start again."""
        return await self._steer(sweep, "resume")

    async def cancel_sweep(self, sweep: str | Sweep) -> Sweep:
        """Ask for the end of every job that it made, but for those that another sweep shares."""
        return await self._steer(sweep, "cancel")

    async def retry_sweep(self, sweep: str | Sweep, *, cancelled: bool = False) -> SweepRetried:
        """Run each cell once more whose job failed; with `cancelled`, those too whose job was cancelled."""
        path, body = f"sweeps/{segment(_name(sweep))}/retry", {"cancelled": cancelled}
        return await self._connection.ask(
            SweepRetried, "POST", path, json=body, repeatable=True, answer_within=_ANSWER_SECONDS
        )

    async def wait_sweep(self, sweep: str | Sweep, *, timeout: float | None = None) -> Sweep:  # noqa: ASYNC109
        """The sweep when all its cells have ended.

        Raises:
            TimeoutError: they had not within `timeout` seconds.
            Unreachable: the gateway was away for longer than the client's patience.
        """
        end = None if timeout is None else time.monotonic() + timeout
        found = await self.sweep(sweep)
        while not found.state.final:
            left = _LONGEST_WAIT if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"sweep {found.id} has not ended yet")
            found = await self.look_at_sweep(found, within=min(left, _LONGEST_WAIT))
        return found

    async def look_at_sweep(self, sweep: str | Sweep, *, within: float) -> Sweep:
        """The sweep as soon as all its cells have ended, and as it stands after so many seconds if they have not."""
        return await self._connection.ask(
            Sweep,
            "GET",
            f"sweeps/{segment(_name(sweep))}",
            params={"wait": within},
            answer_within=within + 20,
            retry_for=self._patience,
        )

    async def follow_sweep(self, sweep: str | Sweep) -> AsyncGenerator[Event | End, None]:
        """The events of all jobs of a sweep by one connection, each job's once and in order; it ends with the sweep."""
        found = sweep if isinstance(sweep, Sweep) else await self.sweep(sweep)

        async def over(ended: Collection[str]) -> bool:
            if not (await self.sweep(found.id)).state.final:
                return False
            jobs = {cell.job async for cell in self.sweep_cells(found.id)}
            return jobs <= {None, *ended}

        frames = stream_many.follow_many(
            self._connection, experiment=None, jobs=None, patience=self._patience, sweep=found.id, over=over
        )
        async with aclosing(frames):
            async for frame in frames:
                yield frame

    async def _steer(self, sweep: str | Sweep, verb: str) -> Sweep:
        path = f"sweeps/{segment(_name(sweep))}/{verb}"
        return await self._connection.ask(Sweep, "POST", path, repeatable=True, answer_within=_ANSWER_SECONDS)


class DrivenSweepCalls(Driven):
    """The same for a `Client`."""

    _client: SweepCalls

    def submit_sweep(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        axes: Axes,
        mode: str = "grid",
        count: int | None = None,
        seed: int | None = None,
        max_parallel: int | None = None,
        idempotency_key: str | None = None,
        **wanted: Unpack[Wanted],
    ) -> Sweep:
        """Submit a job for each choice of values of some parameters, but for those that were run before."""
        return self._portal.run(
            self._client.submit_sweep(
                archive,
                axes=axes,
                mode=mode,
                count=count,
                seed=seed,
                max_parallel=max_parallel,
                idempotency_key=idempotency_key,
                **wanted,
            )
        )

    def plan_sweep(
        self,
        archive: str | PathLike[str] | Archive,
        *,
        axes: Axes,
        mode: str = "grid",
        count: int | None = None,
        seed: int | None = None,
        **wanted: Unpack[Wanted],
    ) -> SweepPlan:
        """What `submit_sweep` would come to: how many cells, how many of them known. Of the sweep nothing is made."""
        return self._portal.run(
            self._client.plan_sweep(archive, axes=axes, mode=mode, count=count, seed=seed, **wanted)
        )

    def sweeps(self, *, experiment: str | None = None) -> Iterator[Sweep]:
        """Sweeps, newest first."""
        return self._portal.iterate(self._client.sweeps(experiment=experiment))

    def sweep(self, sweep: str | Sweep) -> Sweep:
        """A sweep as it stands now."""
        return self._portal.run(self._client.sweep(sweep))

    def sweep_cells(
        self, sweep: str | Sweep, *, state: JobState | str | Sequence[JobState | str] = ()
    ) -> Iterator[Cell]:
        """A sweep's cells in their order, or those of them whose job is in this state."""
        return self._portal.iterate(self._client.sweep_cells(sweep, state=state))

    def update_sweep(self, sweep: str | Sweep, **changes: Any) -> Sweep:
        """Change its `max_parallel` (None lifts the limit) or its `description`; what is not given stays."""
        return self._portal.run(self._client.update_sweep(sweep, **changes))

    def pause_sweep(self, sweep: str | Sweep) -> Sweep:
        """Start no more of its jobs; what runs goes on."""
        return self._portal.run(self._client.pause_sweep(sweep))

    def resume_sweep(self, sweep: str | Sweep) -> Sweep:
        """Let its jobs start again."""
        return self._portal.run(self._client.resume_sweep(sweep))

    def cancel_sweep(self, sweep: str | Sweep) -> Sweep:
        """Ask for the end of every job that it made, but for those that another sweep shares."""
        return self._portal.run(self._client.cancel_sweep(sweep))

    def retry_sweep(self, sweep: str | Sweep, *, cancelled: bool = False) -> SweepRetried:
        """Run each cell once more whose job failed; with `cancelled`, those too whose job was cancelled."""
        return self._portal.run(self._client.retry_sweep(sweep, cancelled=cancelled))

    def wait_sweep(self, sweep: str | Sweep, *, timeout: float | None = None) -> Sweep:
        """The sweep when all its cells have ended."""
        return self._portal.run(self._client.wait_sweep(sweep, timeout=timeout))

    def look_at_sweep(self, sweep: str | Sweep, *, within: float) -> Sweep:
        """The sweep as soon as all its cells have ended, and as it stands after so many seconds if they have not."""
        return self._portal.run(self._client.look_at_sweep(sweep, within=within))

    def follow_sweep(self, sweep: str | Sweep) -> Iterator[Event | End]:
        """The events of all jobs of a sweep by one connection, each job's once and in order; it ends with the sweep."""
        return self._portal.iterate(self._client.follow_sweep(sweep))


def _as_axes(axes: Axes) -> list[dict[str, Any]]:
    if not isinstance(axes, Mapping):
        return [axis.model_dump(mode="json", exclude_none=True) for axis in axes]
    found = []
    for name, wanted in axes.items():
        value = plain(wanted)
        found.append({"parameter": name, **(value if isinstance(value, dict) else {"values": value})})
    return found


def _name(sweep: str | Sweep) -> str:
    return sweep.id if isinstance(sweep, Sweep) else sweep
