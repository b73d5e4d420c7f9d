"""Pinning: which versions of plugins a job gets, and whether its queue's workers can load them.

They are held in the submit's own transaction, so that whatever is pushed, activated or deleted in the next moment, the job
has what it was given.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import Archive, EntryPoint, JobSubmission, PluginPin, ProblemItem
from tiltyard_api.jobs.choosing import chosen_versions
from tiltyard_api.jobs.graphs import catalogue_of, named_in, told_outside
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.graph import Graph, check_graph, read_graph
from tiltyard_orchestrator.domain.graph.catalogue import resolved
from tiltyard_orchestrator.domain.graph_entry import in_file
from tiltyard_orchestrator.domain.images import Need, elsewhere, missing
from tiltyard_orchestrator.domain.parameters import pointer
from tiltyard_orchestrator.domain.pins import Candidate, Chosen, Named, Wish, kept, wishes


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """The versions that a job gets."""

    pins: list[PluginPin] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What a plugin or a task needs of the image, and whether a job without it is refused."""

    what: str
    need: Need
    surely: bool


async def pinned(
    session: AsyncSession,
    here: Parts,
    asked: JobSubmission,
    archive: Archive,
    *,
    keeping: Sequence[PluginPin] | None,
) -> Pinned | list[ProblemItem]:
    """Find and hold the versions of all plugins that a submission, its entry point and its scripts name."""
    entry_point = next((one for one in archive.entry_points if one.name == asked.entry_point), None)
    # A graph has room for much to read and to check: on a thread, so that others are answered meanwhile.
    graph = None if entry_point is None else await asyncio.to_thread(_graph_of, entry_point)
    if keeping is not None:
        wanted, problems = kept(keeping), list[ProblemItem]()
    else:
        wanted, problems = wishes(_places(asked, archive, entry_point, graph))
    chosen = await chosen_versions(session, wanted)
    path = entry_point.graph.path if entry_point is not None and entry_point.graph is not None else None
    problems += told_outside(chosen, path)
    needs = _needs(chosen.candidates, wanted)
    if entry_point is not None and graph is not None:
        found, imports = await _check_graph(session, here, entry_point, graph, chosen)
        problems += found
        needs += imports
    lacking, warnings = await _lacking(session, here, asked.queue, needs)
    problems += lacking
    if problems:
        return problems
    pins = [candidate.pin for candidate in chosen.candidates]
    return Pinned(pins=pins, warnings=[*chosen.warnings, *warnings])


def _graph_of(entry_point: EntryPoint) -> Graph | None:
    return None if entry_point.graph is None else _read(entry_point.graph.text)


_read = lru_cache(maxsize=64)(read_graph)
"""Reads a graph, which the next submission of the same one finds read."""


async def _check_graph(
    session: AsyncSession, here: Parts, entry_point: EntryPoint, graph: Graph, chosen: Chosen
) -> tuple[list[ProblemItem], list[Needed]]:
    """Check a graph against the tasks of the versions that the job gets; and say what each task that it uses needs."""
    assert entry_point.graph is not None
    known = await catalogue_of(session, here, chosen, graph, entry_point.graph.path)
    found = await asyncio.to_thread(check_graph, graph, known, entry_point.parameters)
    problems = in_file(found, entry_point.graph.path)
    used = {task.path: task for task in resolved(graph, known).tasks.values()}
    needs = [
        Needed(what=f"the task {path}", need=Need(imports=task.imports), surely=True)
        for path, task in sorted(used.items())
        if task.imports
    ]
    return problems, needs


def _places(
    asked: JobSubmission, archive: Archive, entry_point: EntryPoint | None, graph: Graph | None
) -> Iterable[Named]:
    yield Named(plugins=asked.plugins, pointer="/plugins")
    if entry_point is not None:
        at = pointer("MLproject", "entry_points", entry_point.name, "plugins")
        yield Named(plugins=entry_point.plugins, pointer=at)
        if graph is None:
            yield Named(plugins=archive.uses, pointer="/archive", needed=False)
        elif entry_point.graph is not None:
            yield named_in(graph, entry_point.graph.path)


def _needs(candidates: Iterable[Candidate], wanted: dict[str, Wish]) -> list[Needed]:
    return [
        Needed(
            what=f"the plugin {candidate.pin.name} {candidate.pin.version}",
            need=Need(requires=candidate.requires),
            surely=wanted[candidate.pin.name].needed,
        )
        for candidate in candidates
        if candidate.requires
    ]


async def _lacking(
    session: AsyncSession, here: Parts, queue: str, needs: list[Needed]
) -> tuple[list[ProblemItem], list[str]]:
    """What the queue's image has not, as problems, or as warnings where it is not sure that it is needed."""
    lost_after = here.settings.worker_lost_after
    images = await here.catalogue.images(session, lost_after=lost_after) if needs else {}
    if any(missing(one.need, images.get(queue, ())) != [] for one in needs):
        images = await here.catalogue.images(session, lost_after=lost_after, anew=True)
    problems: list[ProblemItem] = []
    warnings: list[str] = []
    for one in needs:
        lacks = missing(one.need, images.get(queue, ()))
        if lacks is None:
            said = ", ".join([*one.need.requires, *one.need.imports])
            warnings.append(
                f"no worker of the queue {queue} was heard of lately: whether it has {said} for {one.what} is not known"
            )
        elif lacks:
            others = elsewhere(one.need, images)
            has = (
                f"the queue {' and the queue '.join(others)} {'has' if len(others) == 1 else 'have'} it"
                if others
                else "no queue's workers have it"
            )
            detail = f"the image of the queue {queue} lacks {', '.join(lacks)} for {one.what}: {has}"
            if one.surely:
                problems.append(ProblemItem(pointer="/queue", code="not_in_image", detail=detail))
            else:
                warnings.append(detail)
    return problems, warnings
