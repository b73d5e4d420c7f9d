"""Saves the artifacts of a graph, each as soon as the steps that it needs have ended, and tells of them at once."""

import threading
from importlib import import_module
from pathlib import Path

import tiltyard
from tiltyard.artifact_types import save
from tiltyard.artifact_types.registry import of_class
from tiltyard_orchestrator.domain.graph import ArtifactOutput
from tiltyard_orchestrator.domain.graph.references import resolve
from tiltyard_workers.runner.finding import Found
from tiltyard_workers.runner.memory import Memory


class NotKept(Exception):
    """An artifact could not be saved; the message says which, and why."""


class Keeping:
    """Saves artifacts below a folder.

    Args:
        folder: where.
        found: the plugins' artifact types.
        memory: the values.
    """

    def __init__(self, folder: Path, found: Found, memory: Memory) -> None:
        self._folder = folder
        self._found = found
        self._memory = memory
        self._one_at_a_time = threading.Lock()  # matplotlib draws in one thread alone

    def keep(self, output: ArtifactOutput) -> list[Path]:
        """Save one artifact. Raises `NotKept`."""
        try:
            value = resolve(output.contents, self._memory.look_up)
            options = resolve(output.options, self._memory.look_up)
            with self._one_at_a_time:
                paths = self._save(output, value, options)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise NotKept(f"the artifact {output.name!r} could not be saved: {what}") from error
        for path in paths:
            tiltyard.artifact(path)
        return paths

    def _save(self, output: ArtifactOutput, value: object, options: dict[str, object]) -> list[Path]:
        place = self._found.place_of_type(output.task) if output.task else None
        if place is None:
            return save(value, self._folder, output.name, output.task, **options)
        module, _, name = place.partition(":")
        kind = of_class(getattr(import_module(module), name))
        self._folder.mkdir(parents=True, exist_ok=True)
        return kind.save(value, self._folder, output.name, **options)
