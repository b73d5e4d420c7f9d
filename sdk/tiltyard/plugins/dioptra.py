"""Reads the part of a `dioptra.toml` that tells of a plugin: its folder, its functions, and what their results are called.

Such a file describes a whole site, of which plugins are one part. A function that it lists is a task even without a
decorator, and its results have the names that graphs refer to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tiltyard.plugins.limits import DIOPTRA_BYTES, STEPS
from tiltyard.plugins.manifest import read_toml
from tiltyard.plugins.problems import problem
from tiltyard.plugins.text import storable
from tiltyard.plugins.work import TooMuch, Work
from tiltyard.wire.plugins import Kind, TaskOutput, Type
from tiltyard.wire.problems import ProblemItem

NAME = "dioptra.toml"
_SIMPLE = {
    "any": Kind.any,
    "boolean": Kind.boolean,
    "integer": Kind.integer,
    "number": Kind.float,
    "string": Kind.string,
    "null": Kind.none,
    "np.ndarray": Kind.array,
    "dataframe": Kind.table,
}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A function that the file lists."""

    filename: str
    function: str
    outputs: list[TaskOutput] | None
    """None: it does not say."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A plugin that the file lists."""

    name: str
    folder: str
    """With a slash at its end."""
    description: str
    functions: list[Declared] = field(default_factory=list)


def read_dioptra(files: Mapping[str, bytes], wanted: str | None) -> Listed | list[ProblemItem] | None:
    """The plugin `wanted`, or the only one; None where no file tells of it."""
    if NAME not in files:
        return None
    document = read_toml(files[NAME], NAME, DIOPTRA_BYTES)
    if isinstance(document, list):
        return document
    reading = _Reading(_types(document))
    folders = {path[: end + 1] for path in files for end, one in enumerate(path) if one == "/"}
    try:
        found = {
            one.name: one
            for entry in _tables(document.get("plugins"))
            if (one := _listed(entry, reading)) and one.folder in folders
        }
    except TooMuch:
        return [problem(NAME, "too_large", "its types lead to too many others for it to be read in one go")]
    if wanted is None and len(found) > 1:
        detail = f"it has several plugins, {', '.join(sorted(found)[:10])}: push one at a time, by its name"
        return [problem(NAME, "two_packages", detail)]
    return found.get(wanted) if wanted is not None else next(iter(found.values()), None)


def _listed(entry: dict[str, Any], reading: "_Reading") -> Listed | None:
    folder = _text(entry.get("path")).strip("/").removeprefix("./")
    if not folder:
        return None
    tasks = entry.get("tasks")
    functions = tasks.get("functions") if isinstance(tasks, dict) else tasks
    return Listed(
        name=folder.rpartition("/")[2],
        folder=f"{folder}/",
        description=storable(_text(entry.get("description")), 2_000),
        functions=[
            Declared(
                filename=_text(one.get("filename")),
                function=_text(one.get("name")),
                outputs=_outputs(one["output_params"], reading) if "output_params" in one else None,
            )
            for one in _tables(functions)
        ],
    )


def _outputs(given: object, reading: "_Reading") -> list[TaskOutput]:
    return [
        TaskOutput(name=storable(_text(one.get("name")), 200), type=reading.begin(one.get("type")))
        for one in _tables(given)
    ]


def _types(document: dict[str, Any]) -> dict[str, Any]:
    """The structures of the types that the file defines, by name."""
    return {
        _text(one.get("name")): one.get("structure") for one in _tables(document.get("plugin_param_types"))
    }


class _Reading:
    """Reads types, each and all of them within a budget: types may name each other, and themselves."""

    def __init__(self, types: dict[str, Any]) -> None:
        self._types = types
        self._steps = 0
        self._work = Work()

    def begin(self, said: object) -> Type:
        self._steps = 0
        return self.type_of(said)

    def type_of(self, said: object) -> Type:
        self._steps += 1
        self._work.spend()
        if self._steps > STEPS // 8:
            said = None
        match said:
            case str():
                return self._named(said)
            case {"list": one}:
                return Type(kind=Kind.list, of=[self.type_of(one)])
            case {"tuple": [*some]}:
                return Type(kind=Kind.tuple, of=[self.type_of(one) for one in some])
            case {"union": [*some]}:
                return Type(kind=Kind.union, of=[self.type_of(one) for one in some])
            case {"mapping": some}:
                of = some if isinstance(some, list) else []
                return Type(kind=Kind.mapping, of=[self.type_of(one) for one in of])
            case _:
                return Type()

    def _named(self, name: str) -> Type:
        if name in _SIMPLE:
            return Type(kind=_SIMPLE[name])
        if self._types.get(name) is not None:
            return self.type_of(self._types[name])
        return Type(
            words=storable(name, 200)
        )  # a name that nothing explains: it fits whatever it is given to


def _tables(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
