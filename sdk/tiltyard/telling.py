"""Tells a job's supervisor how its flows and steps go, by the hooks that Prefect has for states.

It is loaded when a job's Python has loaded Prefect, and then every flow and task that is made tells of itself, also those
that know nothing of a testbed: a flow or a step that failed makes its job fail, whatever its script makes of that.
A step is told as started, finished, retried, failed or skipped, with the seconds that it took.
"""

import functools
import importlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from tiltyard.script import tell

__all__ = ["watch"]

LONGEST_MESSAGE = 1_000
_MARK = "tiltyard_"
"""What the names of our hooks begin with."""


def watch(module: ModuleType) -> None:
    """Have what a module of Prefect's makes tell of itself."""
    match module.__name__.rpartition(".")[2]:
        case "flows":
            _leave_out_heartbeats()
            _leave_out_events()
            _after_init(module.Flow, _hook_flow)
            for name in ("prefect.flow_runs", "prefect.engine"):
                logging.getLogger(name).addFilter(_worth_reading)
        case "tasks":
            _after_init(module.Task, _hook_task)
            logging.getLogger("prefect.task_runs").addFilter(_worth_reading)
        case "task_engine":
            for name in ("SyncTaskRunEngine", "AsyncTaskRunEngine"):
                if engine := getattr(module, name, None):
                    engine.call_hooks = _telling_what_has_no_hook(engine.call_hooks)
                    engine.handle_crash = _telling_crashes(engine.handle_crash)


def _leave_out_heartbeats() -> None:
    """Save every flow that is not async a second: so long it waits for the end of a heartbeat that nobody listens to."""
    with suppress(AttributeError, ValueError):  # no setting of the environment can say None
        importlib.import_module("prefect.settings").get_current_settings().flows.heartbeat_frequency = None


def _leave_out_events() -> None:
    """Tell a server that throws Prefect's events away none: each costs it a request, and the job a wait at its end."""
    if os.environ.get("TILTYARD_PREFECT_EVENTS") != "none":
        return
    with suppress(AttributeError, ImportError):
        nobody = importlib.import_module("prefect.events.clients").NullEventsClient
        importlib.import_module("prefect.events.worker").EventsWorker.set_client_override(nobody)


def _after_init(kind: Any, then: Callable[[Any], None]) -> None:
    made = kind.__init__

    @functools.wraps(made)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        then(self)

    kind.__init__ = init


def _hook_flow(flow: Any) -> None:
    _add_hook(flow, "on_running_hooks", tiltyard_flow_runs)
    _add_hook(flow, "on_completion_hooks", tiltyard_flow_finished)
    for name in ("on_failure_hooks", "on_crashed_hooks", "on_cancellation_hooks"):
        _add_hook(flow, name, tiltyard_flow_failed)


def _hook_task(task: Any) -> None:
    _add_hook(task, "on_running_hooks", tiltyard_step_runs)
    _add_hook(task, "on_completion_hooks", tiltyard_step_finished)
    _add_hook(task, "on_failure_hooks", tiltyard_step_failed)
    if task.retry_condition_fn is None:  # the one place that is told why a step is tried again
        task.retry_condition_fn = tiltyard_retry


def _add_hook(owner: Any, name: str, hook: Callable[..., None]) -> None:
    """Add a hook once: a flow or task that is made from another one has its hooks."""
    others = [other for other in getattr(owner, name, []) if other is not hook]
    setattr(owner, name, [hook, *others])


def _worth_reading(record: logging.LogRecord) -> bool:
    """Whether what Prefect logs is of hooks that the user made, and not of pages that nobody serves."""
    said = record.getMessage()
    return f"ook '{_MARK}" not in said and not said.startswith("View at http://127.0.0.1:")


class _Clocks:
    """When each step that runs began, and why it was tried before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began: dict[Any, float] = {}
        self._tries: dict[Any, int] = {}
        self._why: dict[Any, str] = {}

    def start(self, run: Any) -> None:
        with self._lock:
            self._began[run.id] = time.monotonic()
            self._tries[run.id] = run.run_count

    def runs_already(self, run: Any) -> bool:
        """Whether this try was told before: Prefect calls the hooks of a run once more where something breaks it off."""
        with self._lock:
            return bool(self._tries.get(run.id) == run.run_count)

    def stop(self, run: Any) -> dict[str, float]:
        with self._lock:
            began = self._began.pop(run.id, None)
            self._tries.pop(run.id, None)
            self._why.pop(run.id, None)
        return {} if began is None else {"seconds": round(time.monotonic() - began, 3)}

    def failed_for_now(self, run: Any, why: str) -> None:
        with self._lock:
            self._why[run.id] = why

    def why(self, run: Any) -> dict[str, str]:
        with self._lock:
            why = self._why.pop(run.id, "")
        return {"message": why} if why else {}


class _Family:
    """Which flow runs in which."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def seen(self, run: Any) -> bool:
        """Note a flow that runs; tells whether it ran before."""
        before = str(run.id) in self._parents
        if not before:
            # A flow that begins is still in its parent's context.
            context = sys.modules["prefect.context"].FlowRunContext.get()
            parent = getattr(context, "flow_run", None)
            self._parents[str(run.id)] = str(parent.id) if parent else ""
        return before

    def of(self, run: Any) -> list[str]:
        """A flow's run and those that it runs in, the innermost first."""
        found, current = [], str(run or "")
        while current and current not in found:
            found.append(current)
            current = self._parents.get(current, "")
        return found


_clocks = _Clocks()
_family = _Family()


def tiltyard_retry(_task: Any, run: Any, state: Any) -> bool:
    """Note why a step is to be tried again."""
    _clocks.failed_for_now(run, _error(state))
    return True


def tiltyard_step_runs(task: Any, run: Any, _state: Any) -> None:
    """Tell that a step began, or began again."""
    if _clocks.runs_already(run):
        return
    if run.run_count > 1:
        why = _clocks.why(run)
        _tell_step(task, run, "retried", **_clocks.stop(run), **why)
    else:
        _tell_step(task, run, "started")
    _clocks.start(run)


def tiltyard_step_finished(task: Any, run: Any, _state: Any) -> None:
    """Tell that a step has its result."""
    _tell_step(task, run, "finished", **_clocks.stop(run))


def tiltyard_step_failed(task: Any, run: Any, state: Any) -> None:
    """Tell that a step failed for good."""
    _tell_step(task, run, "failed", **_clocks.stop(run), message=_error(state))


def tiltyard_flow_runs(flow: Any, run: Any, _state: Any) -> None:
    """Tell that a flow runs, or runs once more: what failed in it before is tried again."""
    _tell_flow(flow, run, "retried" if _family.seen(run) else "started")


def tiltyard_flow_finished(flow: Any, run: Any, _state: Any) -> None:
    """Tell that a flow came to its end: one that never does was broken off, whatever its process ended with."""
    _tell_flow(flow, run, "finished")


def tiltyard_flow_failed(flow: Any, run: Any, state: Any) -> None:
    """Tell that a flow did not come to its end."""
    _tell_flow(flow, run, "failed", message=_error(state), flows=_family.of(run.id))


def _tell_flow(flow: Any, run: Any, status: str, **more: Any) -> None:
    tell("flow", {"name": str(flow.name), "status": status, "flows": [str(run.id)], **more}, surely=True)


def _telling_what_has_no_hook(call: Any) -> Any:
    """A task that waited for one that failed never runs, and one that is broken off does not end: Prefect calls no hook."""

    @functools.wraps(call)
    def call_hooks(engine: Any, state: Any = None) -> Any:
        now = state or engine.state
        if now.name == "NotReady":
            _tell_step(engine.task, engine.task_run, "skipped", message="what it needs did not succeed")
        elif now.is_crashed() or now.is_cancelled():
            tiltyard_step_failed(engine.task, engine.task_run, now)
        return call(engine, state)

    return call_hooks


def _telling_crashes(handle: Any) -> Any:
    """A task that something other than an error ends (`sys.exit`, a signal) crashes: Prefect calls no hook at all."""

    @functools.wraps(handle)
    def handle_crash(engine: Any, error: BaseException) -> Any:
        if engine.task_run is not None:
            said = f"{type(error).__name__}: {error}"[:LONGEST_MESSAGE]
            _tell_step(engine.task, engine.task_run, "failed", **_clocks.stop(engine.task_run), message=said)
        return handle(engine, error)

    return handle_crash


def _tell_step(task: Any, run: Any, status: str, **more: Any) -> None:
    named = run.name if task.task_run_name is not None else task.name
    told = {"name": str(named or task.name), "status": status, **more}
    if status == "failed":
        told["flows"] = _family.of(run.flow_run_id)
    tell("step", told, surely=status == "failed")


def _error(state: Any) -> str:
    found = getattr(state.data, "result", state.data)
    said = f"{type(found).__name__}: {found}" if isinstance(found, BaseException) else state.message
    return str(said or state.name)[:LONGEST_MESSAGE]
