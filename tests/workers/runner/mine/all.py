"""Tasks that the runner's tests use."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tiltyard import task
from tiltyard.artifact_types import artifact_type

MEETING = threading.Barrier(2, timeout=20)
TRIES = []


@task(outputs={"low": int, "high": int})
def split(values: list[int]):
    return min(values), max(values)


@task(outputs={"a": int, "b": int, "c": int})
def too_few():
    return 1, 2


@task
def add(left: float, right: float = 1) -> float:
    return left + right


@task
def meet(name: str) -> str:
    """Comes back only when another one is there at the same time."""
    MEETING.wait()
    return name


@task
def flaky(fails: int) -> int:
    TRIES.append(1)
    if len(TRIES) <= fails:
        raise ConnectionError("not yet")
    return len(TRIES)


@task
def boom(value: object = None) -> float:
    raise ValueError(f"boom {value}")


@task
def leave(code: int = 0) -> None:
    sys.exit(code)


@task
def leave_at_once() -> None:
    os._exit(0)


@task
def slow() -> None:
    """As an attack is: for long inside a library, where nothing interrupts it."""
    time.sleep(600)


@task
def name_of(path: Path) -> str:
    return path.name


@task
def same(value: Any) -> Any:
    return value


@task
async def later(value: int) -> int:
    return value + 1


@task
def gather(*values: object, **named: object) -> list:
    return [*values, named]


@artifact_type("upper")
class Upper:
    def save(self, value, folder, name, mark="!"):
        path = folder / f"{name}.up"
        path.write_text(str(value).upper() + mark)
        return [path]

    def load(self, path):
        return path.read_text()
