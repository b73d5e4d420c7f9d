"""Parses YAML text into plain values, and remembers where each of them stands.

The text comes from outside: at most 64 KiB, some nesting, a few aliases, and a bound on what the aliases make of it. Read
are mappings, lists and YAML's own scalars; a date stays the text that it was written as. Refused are other tags, and a key
that is itself a list or a mapping. A key that stands twice is told, and the rest read all the same.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tiltyard.wire.problems import ProblemItem
from tiltyard_orchestrator.domain.graph.places import Path, Place, Places, problem_at

LONGEST_TEXT = 64 * 1024
_DEEPEST = 20
_MOST_ALIASES = 16
_MOST_VALUES = 20_000
_WIDEST_BITS = 4_096
"""Of a whole number: one in 0x… notation may have any, and Python writes none of more than some thousand digits."""
_PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_DATE = "tag:yaml.org,2002:timestamp"
# What YAML's constructors let through beside their own errors, for scalars such as `!!int x`.
_FAILURES = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """The values of a text, and their places."""

    value: Any
    places: Places
    problems: Sequence[ProblemItem] = ()
    """Keys that stand twice: of those, the first was read."""


class _Refused(Exception):
    """The text is not read any further; the message says why."""

    def __init__(self, message: str, mark: yaml.Mark | None) -> None:
        super().__init__(message)
        self.mark = mark


class _Composer(yaml.SafeLoader):
    """Composes a text's nodes, and stops at what would grow."""

    depth = aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self.aliases += isinstance(event, yaml.AliasEvent)
        if self.aliases > _MOST_ALIASES:
            raise _Refused(f"it has more than {_MOST_ALIASES} aliases", event.start_mark)
        if self.depth >= _DEEPEST:
            raise _Refused("it is nested too deep", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read_document(text: str) -> Document | ProblemItem:
    """Return the values of a YAML text, or the problem that it cannot be read."""
    if len(text.encode(errors="replace")) > LONGEST_TEXT:
        return _malformed(f"it is over {LONGEST_TEXT} bytes", None)
    try:
        return _Reading(text).document()
    except _Refused as refused:
        return _malformed(str(refused), refused.mark)
    except yaml.MarkedYAMLError as error:
        return _malformed(error.problem or error.context or "it is not readable as YAML", error.problem_mark)
    except _FAILURES as error:
        said = str(error).splitlines()
        return _malformed(f"it is not readable as YAML ({said[0] if said else type(error).__name__})", None)


class _Reading:
    """One reading of one text."""

    def __init__(self, text: str) -> None:
        self._composer = _Composer(text)
        self._values: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._problems: list[ProblemItem] = []
        self._count = 0

    def document(self) -> Document:
        node = self._composer.get_single_node()
        value = None if node is None else self._plain(node, ())
        places = Places(values=self._values, keys=self._keys)
        return Document(value=value, places=places, problems=self._problems)

    def _plain(self, node: yaml.Node, path: Path) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES or len(path) > _DEEPEST:
            raise _Refused("its aliases make too much of it", node.start_mark)
        self._values[path] = _place(node.start_mark)
        match node:
            case yaml.MappingNode(tag="tag:yaml.org,2002:map"):
                return self._mapping(node, path)
            case yaml.SequenceNode(tag="tag:yaml.org,2002:seq"):
                return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node)
            case _:
                raise _Refused(f"the tag {node.tag!r} means nothing here", node.start_mark)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Hashable, Any]:
        self._tell_doubles(node, path)
        self._composer.flatten_mapping(node)
        result: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Refused("a key is text or a number", key_node.start_mark)
            key = self._scalar(key_node)
            inner = (*path, str(key))
            self._keys[inner] = _place(key_node.start_mark)
            result[key] = self._plain(value_node, inner)
        return result

    def _tell_doubles(self, node: yaml.MappingNode, path: Path) -> None:
        met = set()
        once = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                once.append((key, value))
            elif key.value in met:
                at, detail = (*path, key.value), f"the key {key.value!r} stands here a second time"
                place = Places(values={at: _place(key.start_mark)})
                self._problems.append(problem_at(place, at, "malformed_graph", detail))
            else:
                met.add(key.value)
                once.append((key, value))
        node.value = once

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == _DATE:
            return str(node.value)
        if node.tag not in _PLAIN:
            raise _Refused(f"the tag {node.tag!r} means nothing here", node.start_mark)
        try:
            value = self._composer.construct_object(node)
        except _FAILURES as error:
            raise _Refused(f"{str(node.value)[:60]!r} is not what its tag says", node.start_mark) from error
        if isinstance(value, int) and value.bit_length() > _WIDEST_BITS:
            raise _Refused("a number has more digits than can be told", node.start_mark)
        return value


def _place(mark: yaml.Mark) -> Place:
    return Place(line=mark.line + 1, column=mark.column + 1)


def _malformed(detail: str, mark: yaml.Mark | None) -> ProblemItem:
    places = Places(values={(): _place(mark)}) if mark else Places()
    return problem_at(places, (), "malformed_graph", detail)
