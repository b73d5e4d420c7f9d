"""Finds the MLproject of an archive, and parses it guardedly: what it declares is read elsewhere.

YAML from outside is parsed by the safe loader alone, within 64 KiB, some nesting and a few aliases, so that no document
grows when it is read. A key that stands twice is an error, and not the silent loss of the first.
"""

import yaml

from tiltyard.archive.contents import Contents
from tiltyard.archive.limits import LIMITS
from tiltyard.wire.problems import ProblemItem

_MOST_ALIASES = 16
_DEEPEST = 20
_WIDEST_BITS = 4_096
"""Of a whole number. One that is written as `0x…` may have any, and Python writes none of more than some thousand digits."""
# What the safe loader lets through beside its own errors, for scalars such as `!!int x`, `!!bool x`, `2020-13-45`.
_FAILURES = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def project_folder(contents: Contents) -> str | list[ProblemItem]:
    """Return the folder of the one MLproject, empty for the root; or the problem that there is none, or more."""
    match sorted(contents.documents):
        case [name]:
            return name.rpartition("/")[0]
        case []:
            detail = "the archive has no MLproject, in its root or in a folder"
            return [_problem("no_mlproject", detail)]
        case names:
            some = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
            return [_problem("two_mlprojects", f"the archive has {len(names)} MLprojects: {some}; keep one")]


def load(contents: Contents) -> dict[object, object] | list[ProblemItem]:
    """Return the parsed MLproject of an archive, or what is wrong with it."""
    folder = project_folder(contents)
    if isinstance(folder, list):
        return folder
    [document] = contents.documents.values()
    return read_document(document)


def read_document(data: bytes) -> dict[object, object] | list[ProblemItem]:
    """Return the mapping that an MLproject's text holds, or the problem with it, by line and column."""
    if len(data) > LIMITS.document_bytes:
        return [_malformed(f"it is over {LIMITS.document_bytes} bytes")]
    try:
        _guard(data)
        document = yaml.load(data, Loader=_Loader)  # noqa: S506 - a SafeLoader that also tells keys apart
    except _FAILURES as error:
        return [_malformed(_told(error))]
    if not isinstance(document, dict):
        return [_malformed("it holds no mapping: write `entry_points:` with a `main:` that has a `command:`")]
    return document


class _Loader(yaml.SafeLoader):
    """The safe loader, and a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        met = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in met:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key.value!r} stands here a second time", key.start_mark
                    )
                met.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    value = int(loader.construct_yaml_int(node))
    if value.bit_length() > _WIDEST_BITS:
        raise yaml.constructor.ConstructorError(
            None, None, "a number has more digits than can be told", node.start_mark
        )
    return value


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


class _Grown(ValueError):
    """The document would grow; the message has the place."""


def _guard(data: bytes) -> None:
    """Refuse, before anything is built, what would grow."""
    depth = aliases = 0
    for event in yaml.parse(data, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > _DEEPEST:
            raise _grown("it is nested too deep", event)
        if aliases > _MOST_ALIASES:
            raise _grown(f"it has more than {_MOST_ALIASES} aliases", event)


def _grown(problem: str, event: yaml.Event) -> _Grown:
    mark = event.start_mark
    return _Grown(f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem)


def _told(error: Exception) -> str:
    if isinstance(error, _Grown):
        return str(error)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem or error.context}"
    return (
        f"it is not readable as YAML ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    )


def _malformed(detail: str) -> ProblemItem:
    return _problem("malformed_mlproject", detail)


def _problem(code: str, detail: str) -> ProblemItem:
    return ProblemItem(pointer="/MLproject", code=code, detail=detail)
