"""Reads a docstring: what a function is for, and what it says of each parameter and result.

Google's sections, reST's fields and NumPy's underlined headings are told apart by what is there. Text that fits none stays
in the description, so that nothing an author wrote is lost.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tiltyard.plugins.text import storable

_LONGEST = 20_000
_LONGEST_HELP = 1_000
_INPUTS = {
    "args",
    "arguments",
    "parameters",
    "params",
    "other parameters",
    "keyword args",
    "keyword arguments",
}
_OUTPUTS = {"returns", "return", "yields", "outputs"}
_ENTRY = re.compile(r"\*{0,2}`{0,2}(\w{1,100})`{0,2}(?: ?\([^()]{0,200}\))? ?: ?(.*)")
_NUMPY_ENTRY = re.compile(r"\*{0,2}(\w{1,100}(?:, ?\*{0,2}\w{1,100}){0,20})(?: ?:.*)?")
_FIELD = re.compile(r":(param|parameter|arg|argument|key|returns?|type|rtype)(?: ([^:]{1,200}))?: ?(.*)")


@dataclass(kw_only=True)
class Docstring:
    """What a docstring says."""

    summary: str = ""
    description: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    """By name, where the section names them."""
    result: str = ""
    """What it says of the results as a whole."""


def read_docstring(text: str | None) -> Docstring:
    """Read a docstring as it stands in the source."""
    lines = inspect.cleandoc((text or "")[:_LONGEST]).split("\n")
    found = Docstring()
    rest: list[str] = []
    at = 0
    while at < len(lines):
        taken = _google(lines, at, found) or _numpy(lines, at, found) or _rest_field(lines, at, found)
        if not taken:
            rest.append(lines[at])
        at += taken or 1
    summary, _, description = "\n".join(rest).strip().partition("\n\n")
    found.summary = storable(" ".join(summary.split()), 500)
    found.description = storable(re.sub(r"\n{3,}", "\n\n", description).strip())
    return found


def _google(lines: list[str], at: int, found: Docstring) -> int:
    """Take a section of Google's style; how many lines it has."""
    heading = lines[at].strip().lower()
    if not heading.endswith(":") or heading[:-1] not in _INPUTS | _OUTPUTS or lines[at][:1].isspace():
        return 0
    block = _block(lines, at + 1)
    entries = dict(_entries(block))
    _keep(found, heading[:-1], entries, block)
    return 1 + len(block)


def _numpy(lines: list[str], at: int, found: Docstring) -> int:
    """Take a section with an underlined heading."""
    heading = lines[at].strip().lower()
    under = lines[at + 1].strip() if at + 1 < len(lines) else ""
    if heading not in _INPUTS | _OUTPUTS or len(under) < 3 or set(under) != {"-"}:
        return 0
    block = []
    for following in range(at + 2, len(lines)):
        after = lines[following + 1].strip() if following + 1 < len(lines) else ""
        if lines[following].strip() and len(after) >= 3 and set(after) == {"-"}:
            break
        block.append(lines[following])
    entries: dict[str, str] = {}
    names: list[str] = []
    for line in block:
        if line and not line[0].isspace():
            named = _NUMPY_ENTRY.fullmatch(line.strip())
            names = [name.strip(" *") for name in named[1].split(",")] if named else []
            entries.update(dict.fromkeys(names, ""))
        elif line.strip():
            entries.update({name: f"{entries[name]} {line.strip()}".strip() for name in names})
    # The heading of an unnamed result is its type.
    said = [line for line in block if line[:1].isspace()]
    _keep(found, heading, entries, said)
    return 2 + len(block)


def _rest_field(lines: list[str], at: int, found: Docstring) -> int:
    """Take `:param name: …` and the lines that belong to it."""
    match = _FIELD.fullmatch(lines[at].rstrip())
    if match is None:
        return 0
    block = _block(lines, at + 1, blank=False)
    kind, subject, first = match[1], (match[2] or "").split(), match[3]
    text = _joined([first, *block])
    if kind in ("type", "rtype"):
        pass  # the annotation says it
    elif kind.startswith("return"):
        found.result = text
    elif subject:
        found.inputs[subject[-1].lstrip("*")] = text
    return 1 + len(block)


def _block(lines: list[str], at: int, *, blank: bool = True) -> list[str]:
    """The indented lines from here on; blank ones belong to it where more follow."""
    block: list[str] = []
    for line in lines[at:]:
        if (line.strip() and not line[0].isspace()) or (not line.strip() and not blank):
            break
        block.append(line)
    while block and not block[-1].strip():
        block.pop()
    return block


def _entries(block: list[str]) -> Iterator[tuple[str, str]]:
    """`name: text` entries, each with the deeper lines below it."""
    indents = [len(line) - len(line.lstrip()) for line in block if line.strip()]
    least = min(indents, default=0)
    name, said = "", [""]
    for line in block:
        entry = (
            _ENTRY.fullmatch(line.strip())
            if line[:least].isspace() and not line[least : least + 1].isspace()
            else None
        )
        if entry:
            if name:
                yield name, _joined(said)
            name, said = entry[1], [entry[2]]
        else:
            said.append(line)
    if name:
        yield name, _joined(said)


def _keep(found: Docstring, heading: str, entries: dict[str, str], block: list[str]) -> None:
    if heading in _INPUTS:
        found.inputs.update(entries)
    else:
        found.outputs.update(entries)
        found.result = _joined(block)


def _joined(lines: list[str]) -> str:
    return storable(" ".join(" ".join(lines).split()), _LONGEST_HELP)
