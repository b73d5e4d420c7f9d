"""`plugin.toml` and a wheel's METADATA: a plugin's name, version, description and requirements.

A key that is not known is an error, and not a silence: most often it is a typo. What is sent to a testbed carries the file
as it is written here, so that comments and order leave no trace in the digest.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tiltyard.plugins.limits import MANIFEST_BYTES
from tiltyard.plugins.problems import problem
from tiltyard.plugins.text import storable
from tiltyard.wire.problems import ProblemItem

NAME = "plugin.toml"
_KEYS = ("name", "version", "description", "requires")
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\s*+(?:\[[A-Za-z0-9._, -]{0,100}\])?\s*+"
    r"\(?(?:(?:[<>=!~]=|[<>]|===)\s*+[A-Za-z0-9.*+!_-]{1,60}+\s*+,?\s*+){0,10}+\)?\s*+(?:;.{0,300})?"
)
"""Blanks are taken once and for all (`*+`): two runs of them side by side could else be divided in ways without end."""
_DEEP_KEY = re.compile(
    r"""(?:(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|(?<!\\)"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){16}"""
)
"""`a.b.c…`: the parser keeps every beginning of a dotted key, so that one of 64 KiB would take gigabytes."""
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")
_MOST_REQUIREMENTS = 100


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a plugin says of itself as a whole."""

    name: str | None = None
    version: str | None = None
    description: str = ""
    requires: Sequence[str] = ()


def read_manifest(data: bytes) -> Manifest | list[ProblemItem]:
    """Read a `plugin.toml`; all that is wrong with it at once."""
    found = read_toml(data, NAME, MANIFEST_BYTES)
    if isinstance(found, list):
        return found
    problems = [
        _malformed(f"there is no key {str(key)[:80]!r} here: it has {', '.join(_KEYS)}")
        for key in found
        if key not in _KEYS
    ]
    problems += [
        _malformed(f'{key} is a text: write {key} = "…"')
        for key in ("name", "version", "description")
        if not isinstance(found.get(key, ""), str)
    ]
    requires = found.get("requires", [])
    if not isinstance(requires, list) or not all(isinstance(one, str) for one in requires):
        problems.append(_malformed('requires is a list of texts: write requires = ["torch>=2"]'))
    else:
        problems += requirement_problems(NAME, requires)
    if problems:
        return problems
    return Manifest(**{**found, "description": storable(found.get("description", "").strip(), 2_000)})


def read_toml(data: bytes, path: str, most: int) -> dict[str, Any] | list[ProblemItem]:
    """Read TOML that comes from outside."""
    if len(data) > most:
        return [problem(path, "too_large", f"it is over {most} bytes")]
    try:
        text = data.decode()
        if deep := _DEEP_KEY.search(text):
            item = problem(path, "malformed_toml", "a key with more than 16 parts is nested too deep")
            return [item.model_copy(update={"line": text.count("\n", 0, deep.start()) + 1})]
        return tomllib.loads(text)
    except UnicodeDecodeError:
        return [problem(path, "malformed_toml", "it is not UTF-8")]
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        told = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        item = problem(path, "malformed_toml", _AT.sub("", told))
        if at := _AT.search(told):
            return [item.model_copy(update={"line": int(at[1]), "column": int(at[2])})]
        return [item]


def requirement_problems(path: str, requires: Sequence[str]) -> list[ProblemItem]:
    """What is wrong with requirements, by their form; whether an image meets them is another question."""
    if len(requires) > _MOST_REQUIREMENTS:
        return [problem(path, "bad_requirement", f"it has more than {_MOST_REQUIREMENTS} requirements")]
    return [
        problem(path, "bad_requirement", f'{one[:100]!r} is no requirement: write "torch>=2" or "numpy"')
        for one in requires
        if len(one) > 500 or not _REQUIREMENT.fullmatch(one.strip())
    ]


def read_metadata(data: bytes) -> Manifest:
    """Read the headers of a wheel's METADATA. Requirements of its extras are nobody's here."""
    fields: dict[str, list[str]] = {}
    for line in data[:MANIFEST_BYTES].decode(errors="replace").splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            fields.setdefault(key.lower(), []).append(value.strip())
    requires = fields.get("requires-dist", [])
    return Manifest(
        version=fields.get("version", [None])[0],
        description=storable(fields.get("summary", [""])[0], 2_000),
        requires=[one for one in requires if not re.search(r"\bextra\b", one.partition(";")[2])],
    )


def written(name: str, version: str, description: str, requires: Sequence[str]) -> bytes:
    """`plugin.toml` in the one form in which it is stored."""
    lines = [f"name = {_quoted(name)}", f"version = {_quoted(version)}"]
    if description:
        lines.append(f"description = {_quoted(description)}")
    if requires:
        lines.append(f"requires = [{', '.join(map(_quoted, requires))}]")
    return "\n".join([*lines, ""]).encode()


def _quoted(text: str) -> str:
    # A JSON string is a TOML one, but for the one control character that JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _malformed(detail: str) -> ProblemItem:
    return problem(NAME, "malformed_toml", detail)
