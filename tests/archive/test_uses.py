"""The plugins that scripts name in so many words."""

from pathlib import Path

import pytest
from tests.api.conftest import packed

from tiltyard.archive import inspect
from tiltyard.archive.uses import plugins_used


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('import tiltyard\ntiltyard.plugin("mine.attacks.fgm")(seed=1)', {"mine"}),
        ('import tiltyard as ty\nF = "mine.a.b"\nty.plugin(F)', {"mine"}),
        ('from tiltyard import plugin as p\np("mine.a.b").submit()', {"mine"}),
        ('from dioptra import pyplugs\npyplugs.call_task("mine", "a", "b")', {"mine"}),
        (
            'from mitre.securingai import pyplugs\nP="mine"\npyplugs.call_task(f"{P}.attacks", "a", "b")',
            {"mine"},
        ),
        ('from dioptra.pyplugs import call_task\ncall_task(f"mine.{x}", "a")', {"mine"}),
        ('from dioptra import pyplugs\npyplugs.call_task(f"{x}.mine", "a")', set()),
        ('import other\nother.plugin("mine.a.b")', set()),
        ("def plugin(x): pass\nplugin('mine')", set()),
        ('import tiltyard\ntiltyard.plugin("not a name")\ntiltyard.plugin(name)', set()),
        ("def broken(:\ntiltyard.plugin('mine')", set()),
        ("\0 plugin(", set()),
        ("(" * 5000 + " plugin(", set()),
    ],
)
def test_a_plugin_is_found_by_the_call_that_names_it(source: str, found: set[str]) -> None:
    assert plugins_used(source.encode()) == found


def test_an_archive_says_what_its_scripts_name(tmp_path: Path) -> None:
    script = 'import tiltyard\ntiltyard.plugin("{}.a.b")\n'
    large = script.format("large") + "#" * 600_000
    path = tmp_path / "a.tar.gz"
    path.write_bytes(
        packed(
            MLproject="", **{"x.py": script.format("mine"), "y/z.py": script.format("yours"), "l.py": large, "t.txt": script}
        )
    )  # fmt: skip
    assert inspect(path).uses == ["mine", "yours"]
