"""Finds the artifact types of a plugin in its syntax tree: nothing of it is imported.

They are the classes under `@artifact_type("name")`, by that name, and those that derive from Dioptra's
`ArtifactTaskInterface`, by their own.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

__all__ = ["artifact_types_of"]

_INTERFACE = "ArtifactTaskInterface"


def artifact_types_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return where each artifact type is, as `package.module:Class`, by its name.

    Args:
        files: the files of a plugin's folder, by their paths from its package's folder on: `mine/attacks.py`.
    """
    found: dict[str, str] = {}
    for path, content in sorted(files.items()):
        if not path.endswith(".py"):
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError):
            continue  # whoever reads the plugin's tasks tells that
        for name, class_name in _classes(tree):
            found.setdefault(name, f"{_module(path)}:{class_name}")
    return found


def _classes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    heirs = {_INTERFACE}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            match decorator:
                case ast.Call(func=func, args=[ast.Constant(value=str(name))]) if (
                    _last(func) == "artifact_type"
                ):
                    yield name, node.name
                case _:
                    pass
        if any(_last(base) in heirs for base in node.bases):
            heirs.add(node.name)
            yield node.name, node.name


def _last(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _module(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
