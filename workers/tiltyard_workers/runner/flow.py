"""The Prefect flow of a graph: a coroutine for each step waits for those before it, and hands the step to Prefect.

Prefect runs each step in a thread of its pool, with its own retries and time-out, and with the futures of the steps before
as what it waits for. A step whose condition does not hold, or that needs one which did not end well, is skipped and never
handed over. With `foreach` the items follow each other, each a task run of its own: a step's memory is needed once.
"""

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed, get_state_exception
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tiltyard.script import tell
from tiltyard_orchestrator.domain.graph import Plan, PlannedStep
from tiltyard_orchestrator.domain.graph.references import Reference, resolve
from tiltyard_workers.runner.functions import call
from tiltyard_workers.runner.keeping import Keeping, NotKept
from tiltyard_workers.runner.memory import Memory
from tiltyard_workers.runner.threads import in_thread

_FEWEST_THREADS = 4


class Outcome(Enum):
    """How a step ended."""

    finished = "finished"
    failed = "failed"
    skipped = "skipped"


class GraphFailed(Exception):
    """A graph did not come to its end; the message is one sentence."""


@dataclass
class _Ended:
    outcome: Outcome
    futures: list[PrefectFuture[Any]] = field(default_factory=list)


class Run:
    """One run of a plan.

    Args:
        plan: the steps and artifacts.
        functions: the tasks' functions by their paths.
        memory: the values.
        keeping: saves the artifacts.
    """

    def __init__(
        self, plan: Plan, functions: Mapping[str, Callable[..., Any]], memory: Memory, keeping: Keeping
    ) -> None:
        self._plan = plan
        self._functions = functions
        self._memory = memory
        self._keeping = keeping
        self._running: dict[str, asyncio.Task[_Ended]] = {}
        self._finished: set[str] = set()
        self._kept: set[str] = set()
        self.failures: list[str] = []

    async def through(self) -> State[Any]:
        """Run every step that can run, and return how that went."""
        await self._keep_what_is_ready()
        for planned in self._plan.steps:  # in order: each finds those before it
            self._running[planned.step.name] = asyncio.create_task(self._step(planned))
        await asyncio.gather(*self._running.values())
        if not self.failures:
            return Completed()
        more = f" ({len(self.failures)} failures; the others are above)" if len(self.failures) > 1 else ""
        return Failed(message=f"{self.failures[0]}{more}")

    async def _step(self, planned: PlannedStep) -> _Ended:
        name = planned.step.name
        before = {other: await self._running[other] for other in sorted(planned.after)}
        try:
            if why := self._why_not(planned, before):
                tell("step", {"name": name, "status": "skipped", "message": why})
                print(f"Step {name!r} is skipped: {why}.", flush=True)  # noqa: T201 - a job's log is what it prints
                return _Ended(Outcome.skipped)
            return await self._run(planned, [one for ended in before.values() for one in ended.futures])
        except Exception as error:  # noqa: BLE001 - whatever a step makes of its values fails the step, and no other
            what = f"{type(error).__name__}: {error}"
            self._fail(name, what)
            tell("step", {"name": name, "status": "failed", "message": what}, surely=True)
            return _Ended(Outcome.failed)

    def _why_not(self, planned: PlannedStep, before: Mapping[str, _Ended]) -> str | None:
        for name, ended in before.items():
            if ended.outcome is not Outcome.finished:
                was = "failed" if ended.outcome is Outcome.failed else "was skipped"
                return f"the step {name!r}, which it needs, {was}"
        condition = planned.step.when
        if condition is not None and not condition.holds(self._memory.look_up):
            return f"its condition does not hold: {condition}"
        return None

    async def _run(self, planned: PlannedStep, wait_for: list[PrefectFuture[Any]]) -> _Ended:
        name, ended = planned.step.name, _Ended(Outcome.finished)
        gathered: dict[str, list[Any]] = {one.name: [] for one in planned.task.outputs}
        for called, look_up in self._uses(planned):
            outputs: dict[str, Any] = {}
            future = self._submit(planned, called, look_up, outputs, [*wait_for, *ended.futures])
            ended.futures.append(future)
            state = await asyncio.wrap_future(future.wrapped_future)
            if not state.is_completed():
                self._fail(called, await _why(state))
                ended.outcome = Outcome.failed
                return ended
            for output, value in outputs.items():
                gathered[output].append(value)
            if planned.step.foreach is None:
                self._memory.keep(name, outputs)
        if planned.step.foreach is not None:
            self._memory.keep(name, gathered)
        self._finished.add(name)
        await self._keep_what_is_ready()
        return ended

    def _uses(self, planned: PlannedStep) -> list[tuple[str, Callable[[Reference], Any]]]:
        """What each use of the step is called, and what references mean in it."""
        step = planned.step
        if step.foreach is None:
            return [(step.name, self._memory.look_up)]
        listed = str(step.foreach) if isinstance(step.foreach, Reference) else step.foreach
        items = _items(step.foreach, resolve(listed, self._memory.look_up))
        return [
            (f"{step.name}[{index}]", self._memory.with_item(item).look_up)
            for index, item in enumerate(items)
        ]

    def _submit(
        self,
        planned: PlannedStep,
        called: str,
        look_up: Callable[[Reference], Any],
        outputs: dict[str, Any],
        wait_for: list[PrefectFuture[Any]],
    ) -> Any:
        function, step = self._functions[planned.task.path], planned.step

        def use() -> dict[str, Any]:
            # Values go past Prefect, which would look into each for futures and keep it after its last use.
            args, kwargs = resolve(step.args, look_up), resolve(step.kwargs, look_up)
            return call(function, planned.task, args, kwargs)

        def run() -> None:
            outputs.update(use())

        async def run_in_time() -> None:
            outputs.update(await in_thread(called, use))

        made: Any = task(  # its types know no task without parameters that waits for others
            name=called,
            task_run_name=called.replace("{", "{{").replace("}", "}}"),
            retries=planned.retries,
            timeout_seconds=planned.timeout,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(run if planned.timeout is None else run_in_time)
        return made.submit(wait_for=wait_for)

    async def _keep_what_is_ready(self) -> None:
        for one in self._plan.artifacts:
            if one.output.name not in self._kept and one.after <= self._finished:
                self._kept.add(one.output.name)
                try:
                    await asyncio.to_thread(self._keeping.keep, one.output)
                except NotKept as error:
                    self.failures.append(f"{str(error)[0].upper()}{str(error)[1:]}")
                    print(self.failures[-1], flush=True)  # noqa: T201

    def _fail(self, name: str, what: str) -> None:
        self.failures.append(f"The step {name!r} failed: {what}")


def _items(written: object, found: Any) -> list[Any]:
    """What a step with `foreach` is used for. Text has letters and a mapping has keys, which nobody means."""
    if isinstance(found, (str, bytes, Mapping)) or not isinstance(found, Iterable):
        raise TypeError(f"`foreach` goes over a list, and {written} is of the type {type(found).__name__}")
    return list(found)


async def _why(state: Any) -> str:
    found = get_state_exception(state)
    error = await found if inspect.isawaitable(found) else found
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def run_plan(name: str, run: Run, steps: int) -> None:
    """Run a plan as a flow of this name. Raises `GraphFailed`, and what Prefect raises where it has no server."""
    threads = max(1, min(steps, max(_FEWEST_THREADS, os.cpu_count() or 1)))
    pool: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=threads)
    graph = flow(
        name=name,
        task_runner=cast("TaskRunner[PrefectFuture[Any]]", pool),
        persist_result=False,
        validate_parameters=False,
    )(run.through)
    state: State[Any] = asyncio.run(cast("Coroutine[Any, Any, State[Any]]", graph(return_state=True)))
    if not state.is_completed():
        raise GraphFailed(state.message or "the graph did not come to its end")
