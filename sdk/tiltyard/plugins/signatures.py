"""From a function's syntax tree to a task of the catalogue."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tiltyard.plugins.annotations import type_of
from tiltyard.plugins.docstrings import Docstring, read_docstring
from tiltyard.plugins.lookup import Lookup
from tiltyard.plugins.options import Options
from tiltyard.plugins.problems import NotAType, problem
from tiltyard.plugins.syntax import Function, Module
from tiltyard.plugins.text import storable, storable_number
from tiltyard.wire.model import Json
from tiltyard.wire.plugins import Kind, Task, TaskInput, TaskOutput, Type
from tiltyard.wire.problems import ProblemItem

RESULT = "result"
"""What a task's only result is called."""
_LONGEST_DEFAULT = 200
_NO_JSON = object()


@dataclass(kw_only=True)
class Signature:
    """Reads one function; what is wrong is gathered in `problems`."""

    function: Function
    module: Module
    lookup: Lookup
    options: Options
    problems: list[ProblemItem] = field(default_factory=list)

    def task(self, *, plugin: str, version: str, imports: Sequence[str]) -> Task:
        """The task that the function is."""
        told = read_docstring(ast.get_docstring(self.function, clean=False))
        return Task(
            plugin=plugin,
            version=version,
            name=self.options.name,
            module=self.module.name,
            function=self.function.name,
            summary=told.summary,
            description=told.description,
            inputs=list(self._inputs(told)),
            outputs=self._outputs(told),
            tags=self.options.tags,
            retries=self.options.retries,
            timeout=self.options.timeout,
            imports=list(imports),
        )

    def _type(self, node: ast.expr | None) -> Type:
        free = [one.name for one in getattr(self.function, "type_params", [])]
        try:
            return type_of(node, self.module, self.lookup, lenient=self.options.borrowed, free=free)
        except NotAType as wrong:
            # A quoted annotation has places of its own: that of the quotes is the one in the file.
            place = node or wrong.place
            self.problems.append(problem(self.module.path, "unknown_type", wrong.detail, place))
            return Type()

    def _inputs(self, told: Docstring) -> Iterator[TaskInput]:
        given = self.function.args
        positional = [*given.posonlyargs, *given.args]
        defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults))
        for one, default in zip(positional, [*defaults, *given.defaults], strict=True):
            yield self._input(one, default, told)
        if given.vararg:
            yield self._input(given.vararg, None, told, variadic=True)
        for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
            yield self._input(one, default, told, keyword_only=True)
        if given.kwarg:
            yield self._input(given.kwarg, None, told, variadic=True, keyword_only=True)

    def _input(
        self,
        one: ast.arg,
        default: ast.expr | None,
        told: Docstring,
        *,
        variadic: bool = False,
        keyword_only: bool = False,
    ) -> TaskInput:
        value = _json(default)
        return TaskInput(
            name=one.arg,
            type=self._type(one.annotation),
            required=default is None and not variadic,
            default=None if value is _NO_JSON else value,
            default_text=storable(self.module.source.text_of(default), _LONGEST_DEFAULT) if default else "",
            keyword_only=keyword_only,
            variadic=variadic,
            help=told.inputs.get(one.arg, ""),
        )

    def _outputs(self, told: Docstring) -> list[TaskOutput]:
        match self.options.outputs:
            case None:
                found = self._type(self.function.returns)
                if found.kind is Kind.none:
                    return []
                return [TaskOutput(name=RESULT, type=found, help=told.result)]
            case int(count):
                return self._numbered(count, told)
            case named:
                return [
                    TaskOutput(
                        name=name,
                        type=self._type(said),
                        help=told.outputs.get(name, told.result if len(named) == 1 else ""),
                    )
                    for name, said in named.items()
                ]

    def _numbered(self, count: int, told: Docstring) -> list[TaskOutput]:
        """Results that are known by their number: `output_1`, `output_2` and so on; one alone is `result`."""
        found = self._type(self.function.returns)
        if count == 1:
            return [TaskOutput(name=RESULT, type=found, help=told.result)]
        match found:
            case Type(kind=Kind.tuple, of=types) if len(types) == count:
                pass
            case Type(kind=Kind.list, of=[one]):
                types = [one] * count
            case _:
                types = [Type()] * count
        return [TaskOutput(name=f"output_{number}", type=one) for number, one in enumerate(types, 1)]


def _json(node: ast.expr | None) -> Json:
    """A default as JSON, or the mark that it is none."""
    if node is None:
        return None
    try:
        return _plain(ast.literal_eval(node))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NO_JSON  # type: ignore[return-value]


def _plain(value: object) -> Json:
    match value:
        case None | bool() | int() if storable_number(value):
            return value
        case float() if value == value and abs(value) != float("inf"):  # noqa: PLR0124 - NaN
            return value
        case str():
            return storable(value)
        case list() | tuple():
            return [_plain(one) for one in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {storable(key): _plain(one) for key, one in value.items()}
        case _:
            raise ValueError(value)
