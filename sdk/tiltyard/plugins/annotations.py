"""What an annotation says: a type of the catalogue, with the words beside it.

An annotation is looked at and never run. A class that is known by its name alone is `other`; a name that is bound nowhere
is an error of whoever wrote it, since nobody who calls the task could know what to give.
"""

import ast
from collections.abc import Iterator, Sequence

from tiltyard.plugins.limits import STEPS
from tiltyard.plugins.lookup import Alias, Known, Lookup, Unbound
from tiltyard.plugins.problems import NotAType
from tiltyard.plugins.source import parsed
from tiltyard.plugins.syntax import Module, dotted_of
from tiltyard.plugins.text import storable, storable_number
from tiltyard.plugins.vocabulary import KINDS, LISTS, MAPPINGS, TUPLES, WRAPPERS
from tiltyard.wire.model import Json
from tiltyard.wire.plugins import Kind, Type

_LONGEST_QUOTED = 2_000
_LONGEST_WORDS = 500
_DEEPEST = 24


def type_of(
    node: ast.expr | None, module: Module, lookup: Lookup, *, lenient: bool = False, free: Sequence[str] = ()
) -> Type:
    """The type that an annotation says; any where there is none.

    `free` are type parameters, which stand for anything. `lenient`: a name that is bound nowhere is a class of that name.
    Raises `NotAType`.
    """
    if node is None:
        return Type()
    return _Annotation(node, lookup, lenient=lenient, free=free).read(node, module, _DEEPEST)


class _Annotation:
    """One annotation, read within a budget."""

    def __init__(self, whole: ast.expr, lookup: Lookup, *, lenient: bool, free: Sequence[str]) -> None:
        self._whole = whole
        self._lookup = lookup
        self._lenient = lenient
        self._free = free
        self._steps = 0

    def read(self, node: ast.expr, module: Module, depth: int) -> Type:
        self._steps += 1
        self._lookup.work.spend()
        if depth <= 0 or self._steps > STEPS:
            raise NotAType(self._whole, "this type is too long a story: name its parts, or say less")
        match node:
            case ast.Constant(value=None):
                return Type(kind=Kind.none)
            case ast.Constant(value=str(text)):
                return self.read(self._quoted(text), module, depth - 1)
            case ast.Name() | ast.Attribute():
                return self._named(node, module, depth)
            case ast.Subscript(value=generic, slice=inside):
                parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
                return self._generic(generic, parts, module, depth)
            case ast.BinOp(op=ast.BitOr()):
                return _union([self.read(one, module, depth - 1) for one in _alternatives(node)])
            case _ if self._lenient:
                return Type()
            case _:
                raise NotAType(self._whole, f"{module.source.text_of(self._whole)[:200]} names no type")

    def _quoted(self, text: str) -> ast.expr:
        try:
            match parsed(text[:_LONGEST_QUOTED].strip()).body:
                case [ast.Expr(value=value)]:
                    return value
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        raise NotAType(self._whole, f"{text[:200]!r} names no type")

    def _named(self, node: ast.expr, module: Module, depth: int) -> Type:
        parts = dotted_of(node)
        if parts is None:
            raise NotAType(self._whole, f"{module.source.text_of(self._whole)[:200]} names no type")
        if parts[0] in self._free:
            return Type()
        match self._lookup.meaning(module, parts):
            case Known(dotted=dotted):
                return known(dotted)
            case Alias() as alias:
                return self._alias(alias, depth)
            case Unbound(why=why):
                if self._lenient:
                    return Type(kind=Kind.other, name=storable(".".join(parts), 200))
                raise NotAType(self._whole, f"{'.'.join(parts)[:200]} is no type that is known: {why}")

    def _alias(self, alias: Alias, depth: int) -> Type:
        value = alias.binding.value
        match value:
            case ast.Call(func=func, args=args):
                made = (dotted_of(func) or [""])[-1]
                if made in ("TypeVar", "ParamSpec", "TypeVarTuple"):
                    return Type()
                if made == "NewType" and len(args) > 1:
                    return self.read(args[1], alias.module, depth - 1)
            case ast.Subscript() | ast.BinOp() | ast.Constant(value=str() | None):
                return self.read(value, alias.module, depth - 1)
        return Type(kind=Kind.other, name=storable(alias.dotted, 200))

    def _generic(self, generic: ast.expr, parts: Sequence[ast.expr], module: Module, depth: int) -> Type:
        """`generic[parts]`."""
        base = self._named(generic, module, depth)
        meaning = self._lookup.meaning(module, dotted_of(generic) or [])
        dotted = meaning.dotted if isinstance(meaning, Known) else ""
        if dotted in TUPLES:
            return self._tuple(parts, module, depth)
        if dotted == "numpy.typing.NDArray":
            return base.model_copy(update={"words": storable((dotted_of(parts[0]) or [""])[-1], 100)})
        if dotted in LISTS:
            return base.model_copy(update={"of": [self.read(parts[0], module, depth - 1)]})
        if dotted in MAPPINGS:
            return base.model_copy(update={"of": [self.read(one, module, depth - 1) for one in parts[:2]]})
        return self._form(dotted, parts, module, depth) or base

    def _form(self, dotted: str, parts: Sequence[ast.expr], module: Module, depth: int) -> Type | None:
        """`parts` in one of the forms of `typing`; None where it is none."""
        form = dotted.removeprefix("typing.").removeprefix("typing_extensions.")
        if form in WRAPPERS:
            return self.read(parts[0], module, depth - 1)
        match form:
            case "Union":
                return _union([self.read(one, module, depth - 1) for one in parts])
            case "Optional":
                return _union([self.read(parts[0], module, depth - 1), Type(kind=Kind.none)])
            case "Literal":
                self._lookup.work.spend(len(parts[:STEPS]))
                return Type(kind=Kind.choice, choices=[_choice(one, module) for one in parts[:STEPS]])
            case "Annotated":
                return self._annotated(parts, module, depth)
            case _:
                return None

    def _tuple(self, parts: Sequence[ast.expr], module: Module, depth: int) -> Type:
        match parts:
            case [one, ast.Constant(value=value)] if value is ...:
                return Type(kind=Kind.list, of=[self.read(one, module, depth - 1)])
            case _:
                return Type(kind=Kind.tuple, of=[self.read(one, module, depth - 1) for one in parts])

    def _annotated(self, parts: Sequence[ast.expr], module: Module, depth: int) -> Type:
        inner = self.read(parts[0], module, depth - 1)
        said = [words for one in parts[1:] if (words := self._words(one, module))]
        words = "; ".join(dict.fromkeys([*([inner.words] if inner.words else []), *said]))
        return inner.model_copy(update={"words": storable(words, _LONGEST_WORDS)})

    def _words(self, node: ast.expr, module: Module) -> str:
        """Text beside a type: a string, or the name of one."""
        if isinstance(node, ast.Name):
            meaning = self._lookup.meaning(module, [node.id])
            node = meaning.binding.value if isinstance(meaning, Alias) else node
        return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def known(dotted: str) -> Type:
    """The type that a full dotted name stands for."""
    if (kind := KINDS.get(dotted)) is not None:
        return Type(kind=kind)
    return Type(kind=Kind.other, name=storable(dotted.removeprefix("builtins."), 200))


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """The parts of `a | b | c`, however long it is."""
    waiting = [node]
    while waiting:
        match waiting.pop():
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                waiting += [right, left]
            case other:
                yield other


def _union(types: Sequence[Type]) -> Type:
    """One of several: flat, each once; no union where one is left."""
    flat: list[Type] = []
    for one in types:
        for part in one.of if one.kind is Kind.union else [one]:
            if part not in flat:
                flat.append(part)
    return flat[0] if len(flat) == 1 else Type(kind=Kind.union, of=flat)


def _choice(node: ast.expr, module: Module) -> Json:
    match node:
        case ast.Constant(value=str(text)):
            return storable(text, 200)
        case ast.Constant(value=bool() | int() | None as value) if storable_number(value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if storable_number(number):
            return -number
        case _:
            return storable(module.source.text_of(node), 200)
