"""The modules of a package, each read from its file."""

import ast

from tiltyard.plugins.limits import NODES
from tiltyard.plugins.locate import Package
from tiltyard.plugins.problems import problem
from tiltyard.plugins.source import parse
from tiltyard.plugins.syntax import Module, read_module
from tiltyard.wire.problems import ProblemItem


def read_modules(package: Package) -> tuple[dict[str, Module], list[ProblemItem]]:
    """Every module that could be imported, by its dotted name; and what is wrong with the files."""
    modules: dict[str, Module] = {}
    problems: list[ProblemItem] = []
    nodes = 0
    for name, path in module_paths(package.name, sorted(package.files)).items():
        told = package.folder + path
        found = parse(told, package.files[path])
        if not isinstance(found, tuple):
            problems.append(found)
            continue
        nodes += sum(1 for _ in ast.walk(found[0]))
        if nodes > NODES:
            problems.append(problem(told, "too_large", "the plugin has too much source to be read in one go"))
            break
        modules[name] = read_module(name, told, *found)
    return modules, problems


def module_paths(package: str, paths: list[str]) -> dict[str, str]:
    """The files that are modules, by dotted name. Where a package has a module's name, it is the package."""
    found: dict[str, str] = {}
    for path in paths:
        parts = [package, *path.removesuffix(".py").split("/")]
        if parts[-1] == "__init__":
            parts.pop()
        if path.endswith(".py") and all(part.isidentifier() for part in parts[1:]):
            dotted = ".".join(parts)
            if dotted not in found or path.endswith("__init__.py"):
                found[dotted] = path
    return found
