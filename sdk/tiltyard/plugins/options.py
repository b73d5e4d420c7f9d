"""Which functions are tasks, and what their decorators say: ours, and those that people bring along.

`tiltyard.task` is read strictly. `pyplugs.register` and `pyplugs.task_nout` of Dioptra and `task` of Prefect are read for
what they have in common with it; what else they take is their own affair.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tiltyard.duration import parse_duration
from tiltyard.plugins.lookup import Known, Lookup
from tiltyard.plugins.problems import Place, problem
from tiltyard.plugins.syntax import Function, Module, dotted_of
from tiltyard.plugins.text import storable
from tiltyard.wire.problems import ProblemItem

_OURS = ("name", "outputs", "retries", "timeout", "tags")
_NAME = re.compile(r"[^\W\d][\w-]{0,99}")
_MOST_RETRIES = 100
_MOST_OUTPUTS = 100
_MOST_TAGS = 50


@dataclass(kw_only=True)
class Options:
    """What a function's decorators say of the task that it is."""

    name: str
    outputs: dict[str, ast.expr] | int | None = None
    retries: int = 0
    timeout: float | None = None
    tags: list[str] = field(default_factory=list)
    borrowed: bool = False
    """It is decorated as for another testbed, where annotations were never read."""


class Wrong(Exception):
    """An option that cannot be read."""

    def __init__(self, place: Place, detail: str) -> None:
        super().__init__(detail)
        self.place = place
        self.detail = detail


def options_of(
    function: Function, module: Module, lookup: Lookup
) -> tuple[Options | None, list[ProblemItem]]:
    """The options of a task, None for a function that is none; and those that cannot be read."""
    options = Options(name=function.name)
    problems: list[ProblemItem] = []
    marked = False
    for decorator in function.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        kind = _kind(call.func if call else decorator, module, lookup)
        if kind is None:
            continue
        marked = True
        options.borrowed |= kind != "tiltyard"
        wrongs = _READERS[kind](options, call) if call else ()
        problems += [problem(module.path, "bad_option", wrong.detail, wrong.place) for wrong in wrongs]
    return (options if marked else None), problems


def _kind(decorator: ast.expr, module: Module, lookup: Lookup) -> str | None:
    parts = dotted_of(decorator)
    meaning = lookup.meaning(module, parts) if parts else None
    if not isinstance(meaning, Known):
        return None
    if meaning.dotted in ("tiltyard.task", "tiltyard.tasks.task"):
        return "tiltyard"
    if meaning.dotted in ("prefect.task", "prefect.tasks.task"):
        return "prefect"
    home, _, last = meaning.dotted.rpartition(".")
    if home.rpartition(".")[2] == "pyplugs" and last in ("register", "task_nout"):
        return last
    return None


def _tiltyard(options: Options, call: ast.Call) -> Iterator[Wrong]:
    """Take what `@task` says; every option that cannot be read is told, and leaves the others as they are."""
    if call.args:
        yield Wrong(call.args[0], f"options are named: {', '.join(_OURS)}")
    for keyword in call.keywords:
        try:
            _option(options, keyword)
        except Wrong as wrong:
            yield wrong


def _option(options: Options, keyword: ast.keyword) -> None:
    match keyword.arg:
        case "name":
            options.name = _name(keyword.value)
        case "outputs":
            options.outputs = _outputs(keyword.value)
        case "retries":
            options.retries = _count(keyword.value, "retries", _MOST_RETRIES)
        case "timeout":
            options.timeout = _timeout(keyword.value)
        case "tags":
            options.tags = _tags(keyword.value)
        case other:
            told = f"there is no option {other}" if other else "options are written out, not as **"
            raise Wrong(keyword.value, f"{told}: there are {', '.join(_OURS)}")


def _register(options: Options, call: ast.Call) -> Iterator[Wrong]:
    for given in call.args[:1]:
        try:
            if isinstance(_literal(given, "the name"), str):
                options.name = _name(given)
        except Wrong as wrong:
            yield wrong


def _task_nout(options: Options, call: ast.Call) -> Iterator[Wrong]:
    for given in [*call.args[:1], *(one.value for one in call.keywords if one.arg == "nout")]:
        try:
            options.outputs = _count(given, "the number of results", _MOST_OUTPUTS)
        except Wrong as wrong:
            yield wrong


def _prefect(options: Options, call: ast.Call) -> Iterable[Wrong]:
    """What Prefect's own task takes may be more than a literal: that is left to Prefect."""
    for keyword in call.keywords:
        try:
            match keyword.arg:
                case "name":
                    options.name = _name(keyword.value)
                case "nout":
                    options.outputs = _count(keyword.value, "nout", _MOST_OUTPUTS)
                case "retries" | "max_retries":
                    options.retries = _count(keyword.value, "retries", _MOST_RETRIES)
                case "timeout_seconds" | "timeout":
                    options.timeout = _timeout(keyword.value)
                case "tags":
                    options.tags = _tags(keyword.value)
        except Wrong:
            continue
    return ()


_READERS = {"tiltyard": _tiltyard, "register": _register, "task_nout": _task_nout, "prefect": _prefect}


def _literal(node: ast.expr, what: str) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise Wrong(
            node, f"{what} must be a literal: it is read from the source, and nothing is run"
        ) from None


def _name(node: ast.expr) -> str:
    name = _literal(node, "name")
    if name is None:
        raise Wrong(node, "name is a text; leave it out for the function's own")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        said = repr(name[:100]) if isinstance(name, str) else "this"
        raise Wrong(node, f"{said} is no name for a task: write letters, digits, `_` and `-`")
    return name


def _count(node: ast.expr, what: str, most: int) -> int:
    count = _literal(node, what)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= most:
        raise Wrong(node, f"{what} is a whole number from 0 to {most}")
    return count


def _timeout(node: ast.expr) -> float | None:
    given = _literal(node, "timeout")
    if given is None:
        return None
    if not isinstance(given, str | int | float):
        raise Wrong(node, "timeout is a length of time: seconds, or text such as 90s, 5m, 2h")
    try:
        return parse_duration(given)
    except ValueError as error:
        raise Wrong(node, f"timeout: {error}") from None


def _tags(node: ast.expr) -> list[str]:
    tags = _literal(node, "tags")
    if (
        not isinstance(tags, list | tuple | set | frozenset)
        or not all(isinstance(tag, str) for tag in tags)
        or len(tags) > _MOST_TAGS
    ):
        raise Wrong(
            node, f'tags are a list of at most {_MOST_TAGS} texts: write tags=["evasion", "white-box"]'
        )
    in_order = sorted(tags) if isinstance(tags, set | frozenset) else tags
    return list(dict.fromkeys(storable(tag, 100) for tag in in_order))


def _outputs(node: ast.expr) -> dict[str, ast.expr] | int | None:
    if not isinstance(node, ast.Dict):
        return None if _literal(node, "outputs") is None else _count(node, "outputs", _MOST_OUTPUTS)
    outputs: dict[str, ast.expr] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(name, str) or not name.isidentifier():
            raise Wrong(key or node, "an output has a name that is written out, as a variable's is")
        if name in outputs:
            raise Wrong(key or node, f"there are two outputs named {name}")
        outputs[name] = value
    if len(outputs) > _MOST_OUTPUTS:
        raise Wrong(node, f"it has more than {_MOST_OUTPUTS} outputs")
    return outputs
