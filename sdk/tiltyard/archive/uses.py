"""Finds the plugins whose tasks a script names in so many words, by its syntax tree; nothing of it is run.

Read are `tiltyard.plugin("package.module.function")` and `pyplugs.call_task("package", ...)`, by whatever name they were
imported, with the name as a literal, a module's constant, or an f-string that begins with one. What a script puts together
while it runs is not found: it can be named with the submission.
"""

import ast
import warnings
from collections.abc import Iterator

SCRIPT_BYTES = 512 * 1024
"""A longer one is no script that a person wrote."""
_SCRIPTS = 200
_BYTES = 8 * 1024 * 1024
"""Of all those that are parsed: whoever uploads them waits for it."""
_NAMED_BY = {"plugin": ("tiltyard",), "call_task": ("pyplugs", "dioptra", "mitre")}
"""By function: the modules that have it."""
_MOST = 200


class Scripts:
    """The scripts of an archive, as many of them as are looked into."""

    def __init__(self) -> None:
        self.uses: set[str] = set()
        self._left, self._bytes = _SCRIPTS, _BYTES

    @property
    def open(self) -> bool:
        """Whether another one is looked into."""
        return self._left > 0 and self._bytes > 0

    def look(self, source: bytes) -> None:
        """Look into a script; it may be given by its first bytes where it is too long."""
        self._left -= 1
        if self.open and len(source) <= SCRIPT_BYTES and _may_name(source):
            self._bytes -= len(source)
            self.uses |= plugins_used(source)


def plugins_used(source: bytes) -> set[str]:
    """The packages that a Python script names; none where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        return set(_packages(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


def _may_name(source: bytes) -> bool:
    return any(f"{function}(".encode() in source for function in _NAMED_BY)


def _packages(tree: ast.Module) -> Iterator[str]:
    constants = dict(_constants(tree))
    functions, modules = _imported(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        match node.func:
            case ast.Name(id=name) if name in functions:
                pass
            case ast.Attribute(value=ast.Name(id=module), attr=name) if (
                module in modules and name in _NAMED_BY
            ):
                pass
            case _:
                continue
        named = _text(node.args[0], constants)
        package = named.partition(".")[0]
        if package.isidentifier() and len(package) <= _MOST:
            yield package


def _imported(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names under which the script has the functions, and the modules that hold them."""
    functions: set[str] = set()
    modules: set[str] = set()
    homes = {home for known in _NAMED_BY.values() for home in known}
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                modules |= {
                    one.asname or one.name for one in node.names if one.name.partition(".")[0] in homes
                }
            case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] in homes:
                for one in node.names:
                    (functions if one.name in _NAMED_BY else modules).add(one.asname or one.name)
            case _:
                pass
    return functions, modules


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                yield name, text
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                yield name, text
            case _:
                pass


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """What a text begins with, as far as it is written down."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Name(id=name):
            return constants.get(name, "")
        case ast.JoinedStr(values=[first, *rest]):
            text = _text(first.value if isinstance(first, ast.FormattedValue) else first, constants)
            return text if not rest or "." in text or _begins_with_dot(rest[0]) else ""
        case _:
            return ""


def _begins_with_dot(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(".")
