"""Writes the little TOML that a plugin's own description needs: texts, truths, and tables of them."""

import json
from collections.abc import Mapping
from typing import Any

from tiltyard_workers.dioptra.description import DioptraPlugin, Listed


def manifest(plugin: DioptraPlugin, version: str) -> bytes:
    """Return the `plugin.toml` of a plugin."""
    lines = [f"name = {_value(plugin.name)}", f"version = {_value(version)}"]
    lines += [f"description = {_value(plugin.description)}"] * bool(plugin.description)
    return ("\n".join(lines) + "\n").encode()


def own_description(plugin: DioptraPlugin, types: Mapping[str, Any]) -> bytes:
    """Return the `dioptra.toml` of one plugin alone, beside its package."""
    lines = ["[[plugins]]", f"path = {_value(plugin.name)}", ""]
    for key, tasks in (("functions", plugin.functions), ("artifacts", plugin.artifacts)):
        for one in tasks:
            lines += _task(key, one)
    used = {
        table.get("type")
        for one in (*plugin.functions, *plugin.artifacts)
        for table in (*one.inputs, *one.outputs)
    }
    for name, structure in types.items():
        if name in used:
            lines += ["[[plugin_param_types]]", f"name = {_value(name)}"]
            lines += [f"structure = {_value(structure)}"] * (structure is not None) + [""]
    return ("\n".join(lines).rstrip("\n") + "\n").encode()


def _task(key: str, one: Listed) -> list[str]:
    lines = [f"[[plugins.tasks.{key}]]", f"filename = {_value(one.filename)}", f"name = {_value(one.name)}"]
    if key == "functions":
        lines.append(f"input_params = {_value(one.inputs)}")
    return [*lines, f"output_params = {_value(one.outputs)}", ""]


def _value(value: Any) -> str:
    match value:
        case dict():
            inner = ", ".join(f"{json.dumps(str(key))} = {_value(item)}" for key, item in value.items())
            return f"{{ {inner} }}"
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            return json.dumps(value, ensure_ascii=False)
