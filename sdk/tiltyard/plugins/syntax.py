"""What a module binds at its top, which functions it defines there, and what it needs to load: from its syntax tree.

Statements are met in the order in which they run, through `if`, `try` and `with`, but not into functions. What stands under
a condition binds a name only where nothing else does, so that the fall-back of a `try` does not hide what it falls back from.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tiltyard.plugins.source import Source

Function = ast.FunctionDef | ast.AsyncFunctionDef
_CATCHES_IMPORTS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, kw_only=True)
class Where:
    """Under what a statement stands."""

    conditional: bool = False
    """It may not run."""
    needless: bool = False
    """The module loads without what it imports."""
    inside: bool = False
    """It stands in a class: what it binds is not the module's."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A name of another module, or another module."""

    dotted: str


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """What an expression says."""

    value: ast.expr


@dataclass(frozen=True, kw_only=True)
class Defined:
    """A class, a function, or what only a run could tell."""


Binding = Imported | Assigned | Defined


@dataclass(kw_only=True)
class Module:
    """A module as its source tells it."""

    name: str
    """Dotted, from the plugin's package on."""
    path: str
    source: Source
    bound: dict[str, Binding] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    """Modules of which it imports everything."""
    functions: list[tuple[Function, bool]] = field(default_factory=list)
    """Those at its top, and whether each stands under a condition."""
    bases: list[ast.expr] = field(default_factory=list)
    """Of the classes at its top."""
    needs: list[str] = field(default_factory=list)
    """Dotted names that it imports to load; the last part may be no module but a name in one."""


def read_module(name: str, path: str, tree: ast.Module, source: Source) -> Module:
    """Read a module's top."""
    module = Module(name=name, path=path, source=source)
    package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
    for statement, where in _statements(tree.body):
        match statement:
            case ast.Import() | ast.ImportFrom():
                _imports(module, package, statement, where)
            case _ if where.inside:
                continue
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                module.functions.append((statement, where.conditional))
                _bind(module, statement.name, Defined(), where)
            case ast.ClassDef():
                module.bases += statement.bases
                _bind(module, statement.name, Defined(), where)
            case _:
                for bound, binding in _assignments(statement):
                    _bind(module, bound, binding, where)
    return module


def dotted_of(node: ast.expr) -> list[str] | None:
    """The parts of `a.b.c`; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else None


def _bind(module: Module, name: str, binding: Binding, where: Where) -> None:
    if where.conditional:
        module.bound.setdefault(name, binding)
    else:
        module.bound[name] = binding


def _imports(module: Module, package: str, statement: ast.Import | ast.ImportFrom, where: Where) -> None:
    if isinstance(statement, ast.Import):
        found = [
            (alias.name, alias.asname or alias.name.partition(".")[0], alias) for alias in statement.names
        ]
        for dotted, name, alias in found:
            whole = dotted if alias.asname else name
            _bind_import(module, name, whole, where)
            if not where.needless:
                module.needs.append(dotted)
        return
    origin = _origin(package, statement)
    for alias in statement.names:
        if alias.name == "*":
            module.stars.append(origin)
        else:
            _bind_import(module, alias.asname or alias.name, f"{origin}.{alias.name}", where)
        if not where.needless:
            module.needs.append(origin if alias.name == "*" else f"{origin}.{alias.name}")


def _bind_import(module: Module, name: str, dotted: str, where: Where) -> None:
    if not where.inside:
        _bind(module, name, Imported(dotted=dotted), where)


def _origin(package: str, statement: ast.ImportFrom) -> str:
    """The module that `from … import` names; one above the package is a name that nothing has."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - statement.level + 1] or ["<above the package>"]
    return ".".join([*above, *([statement.module] if statement.module else [])])


def _assignments(statement: ast.stmt) -> Iterator[tuple[str, Binding]]:
    match statement:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _targets(target, Assigned(value=value))
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            yield name, Assigned(value=value) if value is not None else Defined()
        case ast.For(target=target) | ast.AsyncFor(target=target):
            yield from _targets(target, Defined())
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if item.optional_vars is not None:
                    yield from _targets(item.optional_vars, Defined())
        case _ if type(statement).__name__ == "TypeAlias":  # `type X = …`, where the running Python knows it
            yield statement.name.id, Assigned(value=statement.value)  # type: ignore[attr-defined]
        case _:
            return


def _targets(target: ast.expr, binding: Binding) -> Iterator[tuple[str, Binding]]:
    if isinstance(target, ast.Name):
        yield target.id, binding
        return
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, Defined()


def _statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, Where]]:
    """Every statement of a module outside its functions. A stack, since `elif` nests as deep as it is long."""
    waiting = [(statement, Where()) for statement in reversed(body)]
    while waiting:
        statement, where = waiting.pop()
        yield statement, where
        for block, under in reversed(_blocks(statement, where)):
            waiting += [(inner, under) for inner in reversed(block)]


def _blocks(statement: ast.stmt, where: Where) -> list[tuple[list[ast.stmt], Where]]:
    """The blocks of statements in a statement, and under what each stands."""
    maybe = replace(where, conditional=True)
    unneeded = replace(maybe, needless=True)
    match statement:
        case ast.If(test=test, body=body, orelse=orelse):
            under = unneeded if _is_type_checking(test) else maybe
            return [(body if not _is_main(test) else [], under), (orelse, maybe)]
        case ast.Try() | ast.TryStar():
            under = unneeded if any(map(_catches_imports, statement.handlers)) else maybe
            handlers = [(handler.body, under) for handler in statement.handlers]
            return [
                (statement.body, under),
                *handlers,
                (statement.orelse, under),
                (statement.finalbody, where),
            ]
        case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
            return [(body, unneeded if any(_suppresses(item.context_expr) for item in items) else where)]
        case ast.For() | ast.AsyncFor() | ast.While():
            return [(statement.body, maybe), (statement.orelse, maybe)]
        case ast.Match(cases=cases):
            return [(case.body, maybe) for case in cases]
    return [(statement.body, replace(where, inside=True))] if isinstance(statement, ast.ClassDef) else []


def _last(node: ast.expr) -> str:
    parts = dotted_of(node)
    return parts[-1] if parts else ""


def _is_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and _last(test.left) == "__name__"


def _is_type_checking(test: ast.expr) -> bool:
    return _last(test) == "TYPE_CHECKING"


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    match handler.type:
        case None:
            return True
        case ast.Tuple(elts=kinds):
            return any(_last(kind) in _CATCHES_IMPORTS for kind in kinds)
        case kind:
            return _last(kind) in _CATCHES_IMPORTS


def _suppresses(context: ast.expr) -> bool:
    return (
        isinstance(context, ast.Call)
        and _last(context.func) == "suppress"
        and any(_last(kind) in _CATCHES_IMPORTS for kind in context.args)
    )
