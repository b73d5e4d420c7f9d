"""Reads an upload. It runs nothing of what it reads; what reading it costs or breaks is for the process around this to bear."""

from datetime import UTC, datetime

from tiltyard.archive import ArchiveRefused, inspect, read_texts
from tiltyard.archive import project as projects
from tiltyard.artifact_types.reading import artifact_types_of
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire import Archive, ProblemItem
from tiltyard_api.readers.messages import (
    Answer,
    ArchiveUpload,
    PluginUpload,
    ReadArchive,
    ReadDraft,
    ReadPlugin,
    Wrong,
)
from tiltyard_orchestrator.domain.entry_point import read_draft
from tiltyard_orchestrator.domain.graph_entry import graph_paths


def read(upload: ArchiveUpload | PluginUpload) -> Answer:
    """Read what came, by every rule."""
    if isinstance(upload, PluginUpload):
        return _read_plugin(upload)
    try:
        return _read_archive(upload)
    except ArchiveRefused as refused:
        item = ProblemItem(pointer="", code=refused.rule, detail=refused.message)
        return Wrong(code=refused.rule, problems=[item])


def described(source: PluginSource) -> ReadPlugin:
    """What there is to know of a plugin, and its files as they are stored."""
    return ReadPlugin(
        name=source.name,
        version=source.version,
        description=source.description,
        requires=list(source.requires),
        files=len(source.files),
        tasks=source.tasks,
        artifact_types=sorted(artifact_types_of(source.files)),
        packed=source.packed(),
    )


def _read_plugin(upload: PluginUpload) -> ReadPlugin | Wrong:
    source = read_plugin(
        upload.path, name=upload.name, version=upload.version, libraries=frozenset(upload.libraries)
    )
    if isinstance(source, list):
        return Wrong(code=source[0].code if len(source) == 1 else "invalid_plugin", problems=source)
    return described(source)


def _read_archive(upload: ArchiveUpload) -> ReadArchive | ReadDraft | Wrong:
    """Raises `ArchiveRefused`."""
    contents = inspect(upload.path)
    folder = projects.project_folder(contents)
    if isinstance(folder, list):
        return Wrong(code=folder[0].code, problems=folder)
    document = projects.load(contents)
    if isinstance(document, list):
        return Wrong(code="invalid_mlproject", problems=document)
    texts = _texts(upload, folder, graph_paths(document))
    draft = read_draft(document, texts)
    if draft.problems():
        [written] = contents.documents.values()
        return ReadDraft(document=written, texts=texts)
    return ReadArchive(
        archive=Archive(
            sha256=upload.sha256,
            size=upload.size,
            format=contents.format,
            files=len(contents.files),
            project=folder,
            name=draft.project.name,
            entry_points=draft.project.entry_points,
            uses=contents.uses,
            created_at=datetime.now(UTC),
        )
    )


def _texts(upload: ArchiveUpload, folder: str, paths: set[str]) -> dict[str, bytes]:
    """The files of an archive that its MLproject names, by their paths below its folder."""
    if not paths:
        return {}
    above = f"{folder}/" if folder else ""
    found = read_texts(upload.path, {above + path for path in paths})
    return {name.removeprefix(above): content for name, content in found.items()}
