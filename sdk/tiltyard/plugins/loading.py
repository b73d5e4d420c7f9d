"""Imports modules one after the other in this process, and writes down how each went before it goes on to the next.

It is run by `tiltyard.plugins.check`, which learns from what is written last which module ended the process. What a module
needs is imported once, however many of them need it. Nothing printed here goes through `sys.stdout`: a module may have
closed it.
"""

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

PLAN, REPORT = "plan.json", "report.jsonl"
BEGUN, LOADED, MISSING, FAILED = "begun", "loaded", "missing", "failed"
_NOT_THEIRS = (__file__, importlib.__file__, "<frozen importlib", "<frozen runpy")


def main(folder: Path) -> None:
    """Import what the plan in `folder` names, and leave the report there."""
    plan = json.loads((folder / PLAN).read_text())
    report = os.open(folder / REPORT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    loading = _Loading(set(plan["own"]))
    for entry in plan["modules"]:
        _note(report, entry["module"], BEGUN)
        how = loading.load(entry)
        _note(report, entry["module"], how)
    _flush()
    os._exit(0)  # a thread that a module started would keep the process


def say(text: str, *, to: int = 1) -> None:
    """Print a line, after what was printed before it."""
    _flush()
    with contextlib.suppress(OSError):
        os.write(to, f"{text}\n".encode(errors="replace"))


class _Loading:
    def __init__(self, own: set[str]) -> None:
        self._own = own
        """The plugin's modules."""
        self._told: dict[str, str] = {}
        """Where each error was met first: a module that fails fails all that import it."""

    def load(self, entry: dict[str, Any]) -> str:
        """Import a module, and say how it went."""
        name = entry["module"]
        began = time.monotonic()
        try:
            module = importlib.import_module(name)
        except SystemExit as leaving:
            say(f"{name}: it exits when it is imported: sys.exit({leaving.code!r})")
            return FAILED
        except BaseException as error:  # noqa: BLE001 - whatever a module raises is told
            return self._raised(name, error)
        return _with_tasks(entry, module, time.monotonic() - began)

    def _raised(self, name: str, error: BaseException) -> str:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and missing.partition(".")[0] != name.partition(".")[0]:
            if (sibling := self._sibling(name, missing)) is None:
                say(f"{name}: not available in this image: {missing.partition('.')[0]} is missing")
                return MISSING
            parent, _, last = sibling.rpartition(".")
            say(f"{name}: {missing} is a module of this plugin: write `from {parent} import {last}`")
            return FAILED
        summary = f"{type(error).__name__}: {error}"
        trace, place = _trace(error)
        if (first := self._told.setdefault(f"{place} {summary}", name)) != name:
            say(f"{name}: the same error as in {first}")
            return FAILED
        say(f"{name}: {summary}")
        say(trace, to=2)
        return FAILED

    def _sibling(self, name: str, missing: str) -> str | None:
        """The plugin's module that was meant by a name without its package."""
        near = f"{name.rpartition('.')[0]}.{missing}"
        far = f"{name.partition('.')[0]}.{missing}"
        return next((one for one in (near, far, f"{name}.{missing}") if one in self._own), None)


def _with_tasks(entry: dict[str, Any], module: ModuleType, seconds: float) -> str:
    """Say that a module was loaded, and which of its tasks are not what its source promised."""
    name, lost = entry["module"], False
    there = 0
    for function in entry["tasks"]:
        if callable(getattr(module, function, None)):
            there += 1
        elif function in entry["conditional"]:
            say(f"{name}: the task {function} is not there in this image")
        else:
            say(f"{name}: its source promises the task {function}, and the module has no such function")
            lost = True
    tasks = f", {there} task{'s' if there != 1 else ''}" if entry["tasks"] else ""
    say(f"{name}: loaded in {seconds:.1f} s{tasks}")
    return FAILED if lost else LOADED


def _trace(error: BaseException) -> tuple[str, str]:
    """A traceback without the frames that are ours or the import system's; and the place that raised."""
    whole = traceback.TracebackException.from_exception(error)
    place = str(whole.stack[-1:])
    waiting: list[traceback.TracebackException | None] = [whole]
    while waiting:
        one = waiting.pop()
        if one is not None:
            kept = [frame for frame in one.stack if not frame.filename.startswith(_NOT_THEIRS)]
            one.stack = traceback.StackSummary.from_list(kept)
            waiting += [one.__cause__, one.__context__]
    return "".join(whole.format()).rstrip("\n"), place


def _note(report: int, module: str, how: str) -> None:
    os.write(report, json.dumps([module, how]).encode() + b"\n")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
