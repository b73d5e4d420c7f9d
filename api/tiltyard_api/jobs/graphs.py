"""Graphs against the tasks that are there: those of the versions that a job gets; for a refused archive, the current ones.

A plugin that only a graph names, and that is not to be had, is told by the graph's check, with its line; so the steps that
use other tasks are checked all the same.
"""

import asyncio
from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from tiltyard.wire import PluginPin, ProblemItem
from tiltyard_api.jobs.choosing import chosen_versions
from tiltyard_api.parts import Parts
from tiltyard_orchestrator.domain.entry_point import Draft, GraphUse
from tiltyard_orchestrator.domain.graph import Catalogue, Graph
from tiltyard_orchestrator.domain.graph.catalogue import Unknown
from tiltyard_orchestrator.domain.parameters import pointer
from tiltyard_orchestrator.domain.pins import Chosen, Named, wishes
from tiltyard_orchestrator.storage.plugins.read import Offer, current_versions


def named_in(graph: Graph, path: str) -> Named:
    """The plugins that a graph needs."""
    return Named(plugins=graph.needs, pointer=_below(path))


async def catalogue_of(
    session: AsyncSession, here: Parts, chosen: Chosen, graph: Graph, path: str
) -> Catalogue:
    """The tasks of the chosen versions, for checking the graph in the file at `path`.

    Where the graph uses a task that they have not, it is going to be refused, and the tasks of all other plugins are there too:
    the refusal points to the plugin that has it.
    """
    pins = [candidate.pin for candidate in chosen.candidates]
    absent = {name: problem if _is_below(problem, path) else None for name, problem in chosen.refused.items()}
    known = _catalogue(await here.catalogue.offers(session, pins), absent)
    if not any(isinstance(known.find(step.task, graph), Unknown) for step in graph.steps.values()):
        return known
    others = await _others(session, {*(pin.name for pin in pins), *absent})
    return _catalogue(await here.catalogue.offers(session, [*pins, *others]), absent)


def _catalogue(offers: Mapping[PluginPin, Offer], absent: Mapping[str, ProblemItem | None]) -> Catalogue:
    return Catalogue(
        (task for offer in offers.values() for task in offer.tasks),
        {pin.name: offer.artifact_types for pin, offer in offers.items()},
        absent=absent,
    )


async def _others(session: AsyncSession, names: Collection[str]) -> list[PluginPin]:
    """The current versions of all plugins but these."""
    versions = await current_versions(session)
    return [
        PluginPin(name=name, version=version, sha256=sha256)
        for name, version, sha256 in versions
        if name not in names
    ]


def told_outside(chosen: Chosen, path: str | None) -> list[ProblemItem]:
    """Why plugins cannot be had, those left out that the check of the graph at `path` tells."""
    return [one for one in chosen.refused.values() if path is None or not _is_below(one, path)]


async def all_problems(session: AsyncSession, here: Parts, draft: Draft) -> list[ProblemItem]:
    """Everything that is wrong with a project whose form is: also what a submission would be told."""
    catalogues: dict[str, Catalogue] = {}
    outside: list[ProblemItem] = []
    for use in draft.graphs:
        chosen = await _current(session, use)
        catalogues[use.entry_point] = await catalogue_of(
            session, here, chosen, use.entry.graph, use.entry.file.path
        )
        outside += told_outside(chosen, use.entry.file.path)
    return [*await asyncio.to_thread(draft.problems, catalogues), *outside]


async def _current(session: AsyncSession, use: GraphUse) -> Chosen:
    at = pointer("MLproject", "entry_points", use.entry_point, "plugins")
    wanted, _ = wishes(  # what is no name of a plugin was told when it was read
        [Named(plugins=use.plugins, pointer=at), named_in(use.entry.graph, use.entry.file.path)]
    )
    return await chosen_versions(session, wanted)


def _below(path: str) -> str:
    return pointer(path, "plugins")


def _is_below(problem: ProblemItem, path: str) -> bool:
    return problem.pointer.startswith(f"{_below(path)}/")
