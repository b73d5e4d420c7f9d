"""What a script logged to MLflow, brought here file by file: the files of its run, and of the models that it logged.

A model's files stand below its name, where a run's own were before MLflow kept models apart; of several with one name it is the
newest, as with `runs:/RUN/NAME`. What cannot be had within a minute is left out; the worker notes it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import structlog

from tiltyard_workers.tracking.server import FILE_PATIENCE, TrackingServer

log = structlog.get_logger(__name__)

GATHER_SECONDS = 60.0
MOST_FILES = 500
MOST_BYTES = 2 << 30
MOST_MODELS = 50
"""MLflow finds no more at once."""
OURS = "archive/"
"""The job's archive, which its worker logged to the run."""

Tolerantly = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, kw_only=True)
class LoggedFiles:
    """The files of a run and its models.

    Args:
        server: MLflow.
        run: its name.
        experiment: which it is of.
        folder: the URI of its files.
        tolerantly: bears what goes wrong in a step of this name.
    """

    server: TrackingServer
    run: str
    experiment: str
    folder: str
    tolerantly: Tolerantly

    def brought(self, into: Path) -> Iterator[tuple[str, Path]]:
        """Each file by its name, in a folder; within a minute, and up to a number and a size."""
        deadline, seen, size = time.monotonic() + GATHER_SECONDS, set[str](), 0
        for name, length, url in self._found(deadline):
            if name in seen or name.startswith(OURS):
                continue
            seen.add(name)
            size += length
            if len(seen) > MOST_FILES or size > MOST_BYTES or time.monotonic() > deadline:
                log.warning("mlflow_artifacts_left_out", run=self.run)
                return
            path = into / f"{len(seen)}.artifact"
            with self.tolerantly("artifact"):
                self._bring(url, path)
                yield name, path

    def _found(self, deadline: float) -> Iterator[tuple[str, int, str | None]]:
        for path, size in self._listed(deadline, "artifacts/list", "path", run_id=self.run):
            yield path, size, self.server.file_url(self.folder, path)
        for info in self._models():
            where = f"logged-models/{info['model_id']}/artifacts/directories"
            for path, size in self._listed(deadline, where, "artifact_directory_path"):
                yield f"{info['name']}/{path}", size, self.server.file_url(str(info["artifact_uri"]), path)

    def _models(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with self.tolerantly("models"):
            asked = {
                "experiment_ids": [self.experiment],
                "filter": f"source_run_id = '{self.run}'",
                "max_results": MOST_MODELS,
            }
            found = [one["info"] for one in self.server.post("logged-models/search", asked).get("models", [])]
            found.sort(key=lambda info: int(info["creation_timestamp_ms"]))
        return list({str(info["name"]): info for info in found}.values())

    def _listed(self, deadline: float, call: str, option: str, **asked: str) -> Iterator[tuple[str, int]]:
        """The files below a folder. A stack: a script may nest folders deeper than Python nests calls."""
        folders = [""]
        while folders and time.monotonic() < deadline:
            folder, found = folders.pop(), list[dict[str, Any]]()
            with self.tolerantly("list"):
                found = self.server.get(call, **asked, **({option: folder} if folder else {})).get(
                    "files", []
                )
            for file in found:
                if file.get("is_dir"):
                    folders.append(str(file["path"]))
                else:
                    yield str(file["path"]), int(file.get("file_size") or 0)

    def _bring(self, url: str | None, path: Path) -> None:
        if url is None:
            raise httpx.UnsupportedProtocol("the tracking server does not serve its artifacts")
        path.parent.mkdir(exist_ok=True)
        with self.server.http.stream("GET", url, timeout=FILE_PATIENCE) as answer, path.open("wb") as out:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                out.write(chunk)
