"""What a name in one module of a plugin stands for, followed through aliases and the plugin's other modules."""

import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tiltyard.plugins.syntax import Assigned, Binding, Defined, Imported, Module, dotted_of
from tiltyard.plugins.work import Work

_BUILT_IN = frozenset(dir(builtins))
_MOST_STEPS = 100
"""For one name: stars and aliases could lead round and round."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """Something by its full dotted name: of a library, of Python (`builtins.int`), or of the plugin itself."""

    dotted: str


@dataclass(frozen=True, kw_only=True)
class Alias:
    """An expression that a module gave the name to."""

    module: Module
    binding: Assigned
    dotted: str


@dataclass(frozen=True, kw_only=True)
class Unbound:
    """Nothing that anybody could name."""

    why: str


Meaning = Known | Alias | Unbound


class Lookup:
    """Looks names up in the modules of one plugin."""

    def __init__(self, plugin: str, modules: Mapping[str, Module]) -> None:
        self._plugin = plugin
        self._modules = modules
        self.work = Work()
        """What reading the plugin may still cost."""

    def meaning(self, module: Module, parts: list[str]) -> Meaning:
        """What `a.b.c` means in a module."""
        return self._in_module(module, parts, iter(range(_MOST_STEPS)))

    def module_of(self, dotted: str) -> str | None:
        """The plugin's own module that a dotted name lies in, the innermost one."""
        parts = dotted.split(".")
        if parts[0] != self._plugin:
            return None
        names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        return next((name for name in names if name in self._modules), None)

    def _in_module(self, module: Module, parts: list[str], steps: Iterator[int]) -> Meaning:
        first, rest = parts[0], parts[1:]
        self.work.spend()
        if next(steps, None) is None:
            return Unbound(why=f"{first} is defined by itself")
        binding = module.bound.get(first)
        if binding is None:
            return self._unbound(module, parts, steps)
        return self._bound(module, first, rest, binding, steps)

    def _bound(
        self, module: Module, first: str, rest: list[str], binding: Binding, steps: Iterator[int]
    ) -> Meaning:
        match binding:
            case Imported(dotted=dotted):
                return self._follow(".".join([dotted, *rest]), steps)
            case Assigned(value=value) if (parts := dotted_of(value)) is not None:
                if parts[0] == first:
                    return Known(dotted=".".join([module.name, first, *rest]))
                return self._in_module(module, [*parts, *rest], steps)
            case Assigned() if not rest:
                return Alias(module=module, binding=binding, dotted=f"{module.name}.{first}")
            case Assigned() | Defined():
                return Known(dotted=".".join([module.name, first, *rest]))

    def _unbound(self, module: Module, parts: list[str], steps: Iterator[int]) -> Meaning:
        foreign = []
        self.work.spend(len(module.stars))
        for star in module.stars:
            own = self._modules.get(star)
            if own is None:
                foreign.append(star)
                continue
            found = self._in_module(own, parts, steps)
            if not isinstance(found, Unbound):
                return found
        if parts[0] in _BUILT_IN:
            return Known(dotted=".".join(["builtins", *parts]))
        if foreign:
            return Known(dotted=".".join([foreign[0], *parts]))
        return Unbound(why=f"{parts[0]} is bound nowhere in {module.path}")

    def _follow(self, dotted: str, steps: Iterator[int]) -> Meaning:
        """A dotted name, into the plugin's own modules where it leads there."""
        name = self.module_of(dotted)
        if name is None:
            if dotted.startswith("<"):
                return Unbound(why=f"{dotted.rpartition('.')[2]} is imported from above the package")
            if dotted.partition(".")[0] == self._plugin:
                return Unbound(why=f"there is no {dotted} in the plugin")
            return Known(dotted=dotted)
        rest = dotted.removeprefix(name).lstrip(".")
        if not rest:
            return Known(dotted=dotted)
        found = self._in_module(self._modules[name], rest.split("."), steps)
        if isinstance(found, Unbound) or (isinstance(found, Known) and found.dotted == f"builtins.{rest}"):
            return Unbound(why=f"there is no {rest} in {self._modules[name].path}")
        return found
