"""compose.yaml as an engine would read it: variables filled in from .env, each with a value that tells its name."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\})")


def declared_variables() -> set[str]:
    """The names in .env.example that must be given a value."""
    lines = (ROOT / "deploy/.env.example").read_text().splitlines()
    return {line.split("=")[0] for line in lines if re.match(r"[A-Z]", line)}


def filled_in(text: str) -> str:
    """What a text becomes: a variable its own name in lower case, or its default where it has one."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return match["rest"] if match["kind"] == ":-" else match["name"].lower().replace("_", "")

    return VARIABLE.sub(value, text)


def raw_compose() -> dict[str, Any]:
    """The file as it stands."""
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def compose() -> dict[str, Any]:
    """The file with its variables filled in."""
    return dict(yaml.safe_load(filled_in((ROOT / "compose.yaml").read_text())))


def services() -> dict[str, dict[str, Any]]:
    """Every service."""
    return dict(compose()["services"])


def workers() -> dict[str, dict[str, Any]]:
    """The services that run users' code."""
    return {name: service for name, service in services().items() if name.startswith("worker-")}


def broker_definitions() -> dict[str, Any]:
    """What RabbitMQ loads when it starts."""
    return dict(json.loads(compose()["configs"]["broker-definitions"]["content"]))


def rights(user: str) -> dict[str, str]:
    """What a user of the broker may configure, write and read."""
    (found,) = (one for one in broker_definitions()["permissions"] if one["user"] == user)
    return dict(found)
