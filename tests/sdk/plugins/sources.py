"""Plugins as files, for the tests that read them."""

from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire.plugins import Task

IMPORT = "from tiltyard import task\n"


def plugin(**modules: str | bytes) -> dict[str, bytes]:
    """A plugin `attacks` of these modules; `a__b` is the module `b` in the package `a`, `a__INIT` that itself."""
    files = {"plugin.toml": b'name = "attacks"\nversion = "1.0"\n'}
    for name, text in modules.items():
        files[f"attacks/{name.replace('__', '/').replace('INIT', '__init__')}.py"] = (
            text.encode() if isinstance(text, str) else text
        )
    return files


def read(**modules: str | bytes) -> PluginSource:
    """Read a plugin that is right."""
    found = read_plugin(plugin(**modules))
    assert isinstance(found, PluginSource), found
    return found


def only(text: str, **others: str) -> Task:
    """The one task of a module."""
    [task] = read(main=IMPORT + text, **others).tasks
    return task


def codes(files: dict[str, bytes], **options: object) -> list[str]:
    """The codes of all that is wrong."""
    found = read_plugin(files, **options)  # type: ignore[arg-type]
    assert isinstance(found, list), found
    return [item.code for item in found]
