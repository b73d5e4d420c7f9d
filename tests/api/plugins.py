"""Plugins to push, and the worker that loads them."""

import json
from typing import Any

import httpx

from tests.api.conftest import Gateway, packed
from tiltyard.plugins import canonical
from tiltyard.wire import PluginVersion

TASK = """
from tiltyard import task

@task(tags=["evasion"])
def fgm(images: list[float], eps: float = 0.1) -> list[float]:
    \"\"\"One step along the sign of the gradient.\"\"\"
    return images
"""


def a_plugin(
    name: str = "mine", version: str = "1", source: str = TASK, requires: tuple[str, ...] = (), **files: str
) -> bytes:
    manifest = f'name = "{name}"\nversion = "{version}"\nrequires = {json.dumps(requires)}\n'
    more = {path.replace("__", "/"): text.encode() for path, text in files.items()}
    return canonical({"plugin.toml": manifest.encode(), f"{name}/attacks.py": source.encode()} | more)


async def send(gateway: Gateway, body: bytes, **asked: Any) -> httpx.Response:
    return await gateway.user.post("/plugins", content=body, params=asked)


async def push(
    gateway: Gateway, body: bytes | None = None, *, ready: bool = True, **what: Any
) -> PluginVersion:
    """Push a plugin and, unless told otherwise, let it load."""
    answer = await send(gateway, body or a_plugin(**what))
    assert answer.is_success, answer.text
    found = PluginVersion.model_validate_json(answer.content)
    if not ready or found.check is None or found.state != "checking":
        return found
    await gateway.finish(await gateway.claim(found.check))
    return await look(gateway, found.plugin, found.version, wait=10)


async def look(gateway: Gateway, name: str, version: str, **asked: Any) -> PluginVersion:
    answer = await gateway.user.get(f"/plugins/{name}/versions/{version}", params=asked)
    assert answer.is_success, answer.text
    return PluginVersion.model_validate_json(answer.content)


async def project(gateway: Gateway, mlproject: str = "", **files: str) -> str:
    plain = "entry_points: {main: {command: python main.py}}"
    return await gateway.upload(packed(MLproject=mlproject or plain, **files))


async def asks(gateway: Gateway, path: str = "/jobs", **changes: Any) -> httpx.Response:
    archive = changes.pop("archive", None) or await project(gateway)
    return await gateway.user.post(path, json={"experiment": "x", "archive": archive} | changes)


def codes(answer: httpx.Response) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return [(one["pointer"], one["code"]) for one in answer.json()["errors"]]
