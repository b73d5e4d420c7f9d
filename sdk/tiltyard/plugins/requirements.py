"""Which libraries a module needs to load: what it imports at its top, and what those of the plugin that it imports need."""

import sys
from collections.abc import Mapping

from tiltyard.plugins.lookup import Lookup
from tiltyard.plugins.syntax import Module

_EVERYWHERE = frozenset({"tiltyard", "dioptra", "pyplugs"})
"""What every job can import."""


def libraries_of(name: str, modules: Mapping[str, Module], lookup: Lookup) -> list[str]:
    """Top-level modules outside the plugin and the standard library, in alphabetical order."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if parent := current.rpartition(".")[0]:
            waiting.append(parent)  # importing a module imports the packages that it lies in
        needs = dict.fromkeys(modules[current].needs) if current in modules else {}
        lookup.work.spend(len(needs))
        for dotted in needs:
            own = lookup.module_of(dotted)
            if own is not None:
                waiting.append(own)
            else:
                found.add(dotted.partition(".")[0])
    own_name = name.partition(".")[0]
    return sorted(
        one
        for one in found
        if one.isidentifier() and one != own_name and one not in _EVERYWHERE | sys.stdlib_module_names
    )
