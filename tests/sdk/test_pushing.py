"""Plugins and tasks on the command line and in Python; the test plays the worker that loads them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.site import Site
from tests.servers import PATIENCE
from tiltyard import Client
from tiltyard.client import Refused
from tiltyard.client.calls.plugins import PluginRefused

TASK = '''
from typing import Annotated
from tiltyard import task

@task(tags=["evasion"])
def fgm(images: list[float], eps: Annotated[float, "Linf"] = 0.1) -> list[float]:
    """One step along the sign of the gradient."""
    return images
'''
GRAPH = "plugins: [{name}]\ngraph:\n  attack:\n    fgm: {{images: [0.1]}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A plugin named after the test's own folder, so that tests share a gateway in peace."""
    name = "p" + "".join(letter for letter in tmp_path.name if letter.isalnum()).lower()[-40:]
    folder = tmp_path / name
    (folder / name).mkdir(parents=True)
    (folder / "plugin.toml").write_text(f'name = "{name}"\nversion = "1"\n')
    (folder / name / "attacks.py").write_text(TASK)
    return folder


def ready(site: Site, client: Client, folder: Path, version: str = "1") -> None:
    pushed = client.push_plugin(folder, version=version)
    site.claim(str(pushed.check)).finish()
    assert client.checked_plugin(pushed, timeout=PATIENCE).state == "ready"


def shown(site: Site, *asked: str) -> Any:
    return json.loads(site.run(*asked, "--json").stdout)


def test_a_push_waits_for_the_check_and_tells_how_it_went(site: Site, client: Client, folder: Path) -> None:
    pushing = site.begin("plugin", "push", str(folder))
    assert pushing.stderr is not None
    told = pushing.stderr.readline()
    assert "Loading it on a worker of the queue cpu" in told
    site.claim(told.partition("(job ")[2][:20]).finish()
    out, err = pushing.communicate(timeout=PATIENCE)
    assert (pushing.returncode, out) == (0, f"{folder.name}==1\n")
    assert "It is the current version" in err
    again = site.run("plugin", "push", str(folder))
    assert again.stdout == out


def test_a_plugin_that_does_not_load_shows_its_traceback_and_exits_1(site: Site, folder: Path) -> None:
    pushing = site.begin("plugin", "push", str(folder))
    assert pushing.stderr is not None
    attempt = site.claim(pushing.stderr.readline().partition("(job ")[2][:20])
    attempt.print("Traceback (most recent call last):\nKeyError: 'x'\n", stream="stderr")
    attempt.finish("failed", reason="exit_code", exit_code=1, message="It exited with 1.")
    _, err = pushing.communicate(timeout=PATIENCE)
    assert pushing.returncode == 1
    assert "KeyError: 'x'" in err
    assert "was refused" in err
    assert "KeyError" in site.run("plugin", "show", folder.name, "1").stdout


def test_what_is_no_plugin_is_told_by_file_and_line_before_it_is_sent(site: Site, folder: Path) -> None:
    (folder / folder.name / "attacks.py").write_text("def broken(:\n")
    err = site.run("plugin", "push", str(folder), code=1).stderr
    assert "attacks.py:1" in err
    with pytest.raises(PluginRefused), Client(site.url, site.token) as client:
        client.push_plugin(folder)


def test_versions_are_chosen_deprecated_fetched_and_deleted(
    site: Site, client: Client, folder: Path, project: Path, tmp_path: Path
) -> None:
    name = folder.name
    for version in ("1", "2"):
        ready(site, client, folder, version)
    site.run("plugin", "activate", name, "1")
    site.run("plugin", "deprecate", name, "1", "use 2")
    assert shown(site, "plugin", "show", name)["current"] == "1"
    submitted = site.run("submit", str(project), "--plugin", name)
    assert "is deprecated: use 2" in submitted.stderr
    job = submitted.stdout.strip()
    [pin] = shown(site, "status", job)["plugins"]
    assert pin["version"] == "1"
    assert f"plugin\t{folder.name}==1 {pin['sha256']}" in site.run("status", job).stdout.splitlines()
    assert "need version 1" in site.run("plugin", "delete", name, "1", code=1).stderr
    clone = site.run("clone", job, "--plugin", f"{name}==2").stdout.strip()
    assert shown(site, "status", clone)["plugins"][0]["version"] == "2"
    for one in (job, clone):
        site.run("cancel", one)
    saved = Path(site.run("plugin", "get", name, "2", "-o", str(tmp_path)).stdout.strip())
    assert saved.stat().st_size == client.plugin_version(name, "2").size
    site.run("plugin", "deprecate", name, "1", "--undo")
    site.run("plugin", "delete", name, "--all")
    assert name not in site.run("plugin", "ls").stdout
    assert "there is no plugin" in site.run("plugin", "show", name, code=1).stderr


def test_a_task_is_found_and_says_what_it_takes(site: Site, client: Client, folder: Path) -> None:
    ready(site, client, folder)
    path = f"{folder.name}.attacks.fgm"
    assert path in site.run("task", "ls", "--plugin", folder.name, "--tag", "evasion").stdout
    said = site.run("task", "show", path).stdout
    assert "One step along the sign of the gradient." in said
    assert "eps\tfloat\t0.1\tLinf" in said
    assert shown(site, "task", "show", path)["task"]["function"] == "fgm"
    assert "did you mean" in site.run("task", "show", f"{folder.name}.attacks", code=1).stderr
    assert re.search(r"did you mean .*\.fgm[,?]", site.run("task", "show", "fgmm", code=1).stderr)


def test_a_graph_alone_is_submitted(site: Site, client: Client, folder: Path, tmp_path: Path) -> None:
    ready(site, client, folder)
    graph = tmp_path / "attack.yaml"
    graph.write_text(GRAPH.format(name=folder.name))
    job = site.run("submit", str(graph)).stdout.strip()
    found = shown(site, "status", job)
    assert found["experiment"] == "attack"
    assert folder.name in [pin["name"] for pin in found["plugins"]]
    client.cancel(job)
    graph.write_text(GRAPH.format(name=folder.name).replace("images", "imagez"))
    err = site.run("submit", str(graph), code=1).stderr
    assert "(line 4, column" in err


def test_a_version_with_other_files_is_refused(site: Site, client: Client, folder: Path) -> None:
    ready(site, client, folder)
    (folder / folder.name / "more.py").write_text("X = 1\n")
    with pytest.raises(Refused) as refused:
        client.push_plugin(folder)
    assert refused.value.code == "version_exists"
