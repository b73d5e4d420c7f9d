"""The files of a model's version, where MLflow serves them: found, listed, measured, and read."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from tiltyard.archive.content import content_digest
from tiltyard.archive.project import read_document
from tiltyard_orchestrator.tracking.registry import UNKNOWN, quoted
from tiltyard_orchestrator.tracking.server import TrackedFile, Tracking, TrackingRefused

SERVED = "mlflow-artifacts:"
MLMODEL = "MLmodel"
LARGEST_MLMODEL = 64 * 1024


class NotServed(ValueError):
    """MLflow does not serve these files: they are kept where only its own clients reach them."""


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a version."""

    root: str
    """Their folder below MLflow's artifacts."""
    files: tuple[TrackedFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all of them."""
        return sum(file.size for file in self.files)

    def inside(self, file: TrackedFile) -> str:
        """A file's path below the root."""
        return file.path.removeprefix(f"{self.root}/")

    def find(self, path: str) -> TrackedFile | None:
        """The file at a path below the root."""
        return next((file for file in self.files if self.inside(file) == path), None)


async def files_of(tracking: Tracking, model: str, version: str) -> Files:
    """The files of a version, by path.

    Raises:
        NotServed: MLflow does not serve them.
        TrackingAway, TrackingRefused: as `Tracking.get`.
    """
    answer = await tracking.get("model-versions/get-download-uri", {"name": model, "version": version})
    root = await served_folder(tracking, str(answer["artifact_uri"]))
    return Files(root=root, files=tuple(await tracking.list_files(root)))


async def served_folder(tracking: Tracking, uri: str) -> str:
    """The folder below MLflow's artifacts that a URI names. Raises what `files_of` does."""
    if uri.startswith("runs:/"):
        run_id, _, path = uri.removeprefix("runs:/").lstrip("/").partition("/")
        logged = await logged_model(tracking, run_id, path)
        uri = logged["artifact_uri"] if logged else f"{await run_folder(tracking, run_id)}/{path}"
    if not uri.startswith(SERVED):
        scheme = uri.partition(":")[0]
        raise NotServed(f"its files are kept at {scheme}:…, which MLflow serves to no one")
    path = uri.removeprefix(SERVED)
    if path.startswith("//"):  # a host, which is the tracking server itself
        path = path[2:].partition("/")[2]
    return path.strip("/")


async def run_folder(tracking: Tracking, run_id: str) -> str:
    """The URI of a run's artifacts. Raises what `Tracking.get` does."""
    answer = await tracking.get("runs/get", {"run_id": run_id})
    return str(answer["run"]["info"]["artifact_uri"])


async def logged_model(tracking: Tracking, run_id: str, name: str) -> dict[str, Any] | None:
    """The newest model that a run logged under a name. Raises what `Tracking.get` does."""
    run = await tracking.get("runs/get", {"run_id": run_id})
    asked = {
        "experiment_ids": [run["run"]["info"]["experiment_id"]],
        "filter": f"source_run_id = {quoted(run_id)}",
        "max_results": 50,
    }
    try:
        answer = await tracking.post("logged-models/search", asked)
    except TrackingRefused as refused:
        if refused.code in {UNKNOWN, "ENDPOINT_NOT_FOUND", "404"}:  # an MLflow before logged models
            return None
        raise
    found = [one["info"] for one in answer.get("models", []) if one["info"].get("name") == name]
    return max(found, key=lambda info: int(info["creation_timestamp_ms"]), default=None)


async def digest_of(tracking: Tracking, files: Files) -> str:
    """The digest of a version's content; all of it is read. Raises what `Tracking.get` does."""
    digests: dict[str, str] = {}
    for file in files.files:
        digest = hashlib.sha256()
        async for chunk in chunks_of(tracking, file):
            digest.update(chunk)
        digests[files.inside(file)] = digest.hexdigest()
    return content_digest(digests)


async def chunks_of(tracking: Tracking, file: TrackedFile) -> AsyncIterator[bytes]:
    """The bytes of a file. Raises what `Tracking.get` does."""
    async with tracking.open_file(file.path) as chunks:
        async for chunk in chunks:
            yield chunk


async def description_of(tracking: Tracking, files: Files) -> Mapping[str, Any]:
    """What a version's MLmodel file says; nothing where there is none, or none that can be read."""
    file = files.find(MLMODEL)
    if file is None or file.size > LARGEST_MLMODEL:
        return {}
    content = b"".join([chunk async for chunk in chunks_of(tracking, file)])
    document = read_document(content)
    return {} if isinstance(document, list) else {str(key): value for key, value in document.items()}


def signature_of(description: Mapping[str, Any]) -> dict[str, Any] | None:
    """The signature in an MLmodel file: what is JSON in its YAML, read."""
    said = description.get("signature")
    if not isinstance(said, dict):
        return None
    return {str(part): _parsed(value) for part, value in said.items()}


def _parsed(value: object) -> Any:
    if not isinstance(value, str):
        return None
    try:
        return json.loads(value)
    except ValueError:
        return value
