"""Which versions of which plugins a job gets: what its submission, its entry point and its scripts name, made one list.

A version that the submission names goes before one in the MLproject. What only a script's text names is a wish: a name that
is no plugin's is said, and refuses nothing, since that line may never run.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from tiltyard.wire.plugins import PLUGIN_VERSION, PluginPin, PluginState
from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.parameters import did_you_mean, listed, shown

PLUGIN = re.compile(rf"([A-Za-z_][A-Za-z0-9_]{{0,99}})(?:\s*==\s*({PLUGIN_VERSION}))?")
"""A plugin as it is named: by its name, or by name and version."""

Known = Mapping[str, Mapping[str, PluginState]]
"""Every version of every plugin, the newest first."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A plugin that a job is to see."""

    name: str
    version: str | None
    """None: the current one."""
    pointer: str
    """Where it is named."""
    needed: bool = True
    sha256: str | None = None
    """The very files, where a job is to have what another one had."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A version that would do."""

    pin: PluginPin
    state: PluginState
    deprecated: str | None
    requires: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Named:
    """Plugins as they are named in one place, and where that is."""

    plugins: Iterable[str]
    pointer: str
    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What became of the wishes."""

    candidates: list[Candidate] = field(default_factory=list)
    refused: dict[str, ProblemItem] = field(default_factory=dict)
    """By plugin, why it cannot be had."""
    warnings: list[str] = field(default_factory=list)


def wishes(places: Iterable[Named]) -> tuple[dict[str, Wish], list[ProblemItem]]:
    """Return one wish for each plugin that is named, the first place that names a version deciding; and what is no name."""
    found: dict[str, Wish] = {}
    problems: list[ProblemItem] = []
    for place in places:
        here: dict[str, str] = {}
        for number, said in enumerate(place.plugins):
            at = f"{place.pointer}/{number}"
            match = PLUGIN.fullmatch(said.strip())
            if match is None:
                detail = f"{shown(said)} is no plugin: write its name, or name==version"
                problems.append(ProblemItem(pointer=at, code="malformed_plugin", detail=detail))
                continue
            name, version = match.groups()
            if version is not None and here.setdefault(name, version) != version:
                detail = f"{name} is named here as {here[name]} and as {version}: a job sees one version of a plugin"
                problems.append(ProblemItem(pointer=at, code="conflicting_versions", detail=detail))
                continue
            found[name] = _merged(
                found.get(name), Wish(name=name, version=version, pointer=at, needed=place.needed)
            )
    return found, problems


def kept(pins: Iterable[PluginPin]) -> dict[str, Wish]:
    """Return the wishes of a job that is to have what another one had."""
    return {
        pin.name: Wish(name=pin.name, version=pin.version, pointer=f"/plugins/{number}", sha256=pin.sha256)
        for number, pin in enumerate(pins)
    }


def choose(wanted: Mapping[str, Wish], found: Mapping[str, Candidate], known: Known) -> Chosen:
    """Return what each wish comes to.

    Args:
        wanted: the wishes, by name.
        found: the version of each that is there, by name.
        known: every version; it is only asked for what is not to be had.
    """
    chosen = Chosen()
    for name, wish in wanted.items():
        candidate = found.get(name)
        problem = _problem(wish, candidate, known)
        if problem is None and candidate is not None:
            chosen.candidates.append(candidate)
            chosen.warnings.extend(_deprecated(candidate))
        elif problem is not None and wish.needed:
            chosen.refused[name] = problem
        elif problem is not None:
            chosen.warnings.append(f"a script names the plugin {name}: {problem.detail}")
    return chosen


def _merged(before: Wish | None, now: Wish) -> Wish:
    if before is None:
        return now
    return replace(before, version=before.version or now.version, needed=before.needed or now.needed)


def _deprecated(candidate: Candidate) -> list[str]:
    if candidate.deprecated is None:
        return []
    pin = candidate.pin
    return [f"version {pin.version} of the plugin {pin.name} is deprecated: {candidate.deprecated}"]


def _problem(wish: Wish, candidate: Candidate | None, known: Known) -> ProblemItem | None:
    name, version = wish.name, wish.version
    if candidate is None:
        return _not_there(wish, known)
    if candidate.state is not PluginState.ready:
        code, detail = "plugin_not_ready", _not_ready(name, candidate.pin.version, candidate.state)
    elif wish.sha256 is not None and candidate.pin.sha256 != wish.sha256:
        detail = f"version {version} of {name} was deleted and pushed again with other files: the job of then had others"
        code = "plugin_changed"
    else:
        return None
    return ProblemItem(pointer=wish.pointer, code=code, detail=detail)


def _not_there(wish: Wish, known: Known) -> ProblemItem:
    name, version = wish.name, wish.version
    versions = known.get(name)
    if versions is None:
        there = f"; there are {listed(list(known))}" if known else "; none was pushed so far"
        detail = f"there is no plugin {shown(name)}{did_you_mean(name, known)}{there}"
        return ProblemItem(pointer=wish.pointer, code="unknown_plugin", detail=detail)
    if version is not None:
        hint = did_you_mean(version, versions)
        newest = ", ".join(list(versions)[:5])
        detail = f"{name} has no version {shown(version)}{hint}; its newest are {newest}"
        return ProblemItem(pointer=wish.pointer, code="unknown_version", detail=detail)
    newest_version, state = next(iter(versions.items()))
    detail = f"no version of {name} is ready: {_not_ready(name, newest_version, state)}"
    return ProblemItem(pointer=wish.pointer, code="plugin_not_ready", detail=detail)


def _not_ready(name: str, version: str, state: PluginState) -> str:
    how = "is being checked" if state is PluginState.checking else "was refused when it was checked"
    return f"version {version} {how}: `tiltyard plugin show {name} {version}` says more"
