"""What a `dioptra.toml` describes, as plugins and entry points; the files here are of the shapes that Dioptra's own have."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tiltyard.cli.root import app
from tiltyard.plugins import PluginSource, read_plugin
from tiltyard.wire.archives import ParameterType
from tiltyard_orchestrator.domain.graph import read_graph
from tiltyard_workers.running_locally.checks import made_ready

DESCRIPTION = """\
[[plugins]]
path = "plugins/greetings"
description = "Says \\"hello\\"."

  [[plugins.tasks.functions]]
  filename = "tasks.py"
  name = "hello"
  input_params = [ { name = "name", type = "string", required = true } ]
  output_params = [ { name = "greeting", type = "message" }, { name = "length", type = "integer" } ]

  [[plugins.tasks.functions]]
  filename = "deep/more.py"
  name = "shout"
  input_params = [ { name = "greeting", type = "message", required = true }, { name = "times", type = "integer", required = false } ]
  output_params = [ { name = "loud", type = "message" } ]

[[plugins]]
path = "plugins/keeping"

  [[plugins.tasks.artifacts]]
  filename = "__init__.py"
  name = "StringArtifactTask"
  output_params = [ { name = "contents", type = "string" } ]

[[plugin_param_types]]
name = "message"
description = "A message"

[[plugin_param_types]]
name = "pair"
structure = { tuple = [ "message", "number" ] }

[[entrypoints]]
path = "entrypoints/hello.yaml"
name = "Hello World!"
description = "Says hello."
params = [
  { name = "name", type = "string", default_value = "World" },
  { name = "times", type = "integer", default_value = "2" },
  { name = "options", type = "mapping", default_value = '{"a": [1]}' },
  { name = "sizes", type = "list", default_value = "[28, 28]" },
  { name = "needed", type = "float" },
]
artifact_params = [ { name = "before", output_params = [ { name = "value", type = "string" } ] } ]
plugins = [ "greetings" ]
artifact_plugins = [ "keeping" ]
"""
TASKS = """\
from dioptra import pyplugs

@pyplugs.register
def hello(name: str):
    return f"Hello, {name}", len(name)
"""
MORE = """\
def shout(greeting, times=1):
    return greeting.upper() * times
"""
KEEPING = """\
from dioptra.sdk.api.artifact import ArtifactTaskInterface

class StringArtifactTask(ArtifactTaskInterface):
    @staticmethod
    def serialize(working_dir, name, contents, **kwargs):
        path = working_dir / f"{name}.txt"
        path.write_text(contents)
        return path

    @staticmethod
    def deserialize(working_dir, path, **kwargs):
        return (working_dir / path).read_text()

    @staticmethod
    def validation():
        return None
"""
GRAPH = """\
artifacts:
  output: {contents: $shouted, task: {name: StringArtifactTask}}

graph:   # as its author wrote it
  hello_step:
    hello: {name: $name}
  shouted:
    task: shout
    args: [$hello_step.greeting]
    kwargs: {times: $hello_step.length}
  again:
    shout: [$before]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "dioptra.toml": DESCRIPTION,
        "plugins/greetings/tasks.py": TASKS,
        "plugins/greetings/deep/more.py": MORE,
        "plugins/greetings/__pycache__/tasks.pyc": "made by Python",
        "plugins/keeping/__init__.py": KEEPING,
        "entrypoints/hello.yaml": GRAPH,
    }
    for name, content in files.items():
        path = tmp_path / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "theirs"


def run(*arguments: str):
    return CliRunner().invoke(app, ["import-dioptra", *arguments])


def test_plugins_are_written_to_be_pushed_with_their_files_as_they_were(folder: Path) -> None:
    out = folder.parent / "ours"
    done = run(str(folder), "-o", str(out))
    assert done.exit_code == 0, done.output
    assert (out / "plugins/greetings/greetings/tasks.py").read_text() == TASKS
    assert (out / "plugins/greetings/greetings/deep/more.py").read_text() == MORE
    assert not (out / "plugins/greetings/greetings/__pycache__").exists()
    source = read_plugin(out / "plugins/greetings")
    assert isinstance(source, PluginSource)
    assert source.version.startswith("1+")
    assert {task.path: [one.name for one in task.outputs] for task in source.tasks} == {
        "greetings.tasks.hello": ["greeting", "length"],
        "greetings.deep.more.shout": ["loud"],
    }
    again = folder.parent / "again"
    run(str(folder), "-o", str(again))
    assert read_plugin(again / "plugins/greetings").version == source.version
    (folder / "plugins/greetings/tasks.py").write_text(TASKS + "# changed\n")
    run(str(folder), "-o", str(folder.parent / "changed"))
    assert read_plugin(folder.parent / "changed/plugins/greetings").version != source.version


def test_an_entry_point_is_written_to_be_submitted_with_its_lines_as_they_were(folder: Path) -> None:
    out = folder.parent / "ours"
    run(str(folder), "-o", str(out))
    text = (out / "entry_points/hello-world/hello-world.yaml").read_text()
    assert text.endswith(GRAPH)
    graph = read_graph(text)
    assert not graph.problems
    assert graph.needs == ["greetings", "keeping"]
    assert {one.name: (one.type, one.default) for one in graph.declared} == {
        "name": (ParameterType.string, "World"),
        "times": (ParameterType.integer, 2),
        "options": (ParameterType.string, '{"a": [1]}'),
        "sizes": (ParameterType.string, "[28, 28]"),
        "needed": (ParameterType.float, None),
        "before": (ParameterType.path, None),
    }
    assert yaml.safe_load((out / "entry_points/hello-world/MLproject").read_text()) == {
        "name": "Hello World!",
        "entry_points": {"main": {"graph": "hello-world.yaml"}},
    }
    plugins = [out / "plugins/greetings", out / "plugins/keeping"]
    made_ready(
        out / "entry_points/hello-world",
        "main",
        values={"needed": 1, "before": "x"},
        plugins=plugins,
        temporary=folder.parent,
    )


def test_what_to_push_and_submit_is_said_with_the_values_that_are_needed(folder: Path) -> None:
    done = run(str(folder), "-o", str(folder.parent / "ours"), "-q", "pytorch")
    lines = done.stdout.splitlines()
    assert [line.rpartition("/")[2] for line in lines[:2]] == ["greetings", "keeping"]
    assert lines[2].endswith("hello-world -q pytorch -P needed=... -P before=artifact:JOB/PATH")


def test_every_problem_is_told_and_nothing_is_written(folder: Path) -> None:
    (folder / "entrypoints/hello.yaml").write_text(
        GRAPH.replace("$shouted", "$shoutd").replace("hello: {", "helo: {")
    )
    (folder / "dioptra.toml").write_text(
        DESCRIPTION.replace('artifact_plugins = [ "keeping" ]', 'artifact_plugins = [ "keping" ]')
    )
    out = folder.parent / "ours"
    done = run(str(folder), "-o", str(out), "--json")
    assert done.exit_code == 2
    found = json.loads(done.stdout)["errors"]
    assert [(one["code"], one["line"]) for one in found] == [
        ("unknown_plugin", None),
        ("unknown_reference", 2),
        ("unknown_task", 6),
    ]
    assert found[-1]["pointer"].startswith("/entrypoints/hello.yaml/graph/hello_step")
    assert not out.exists()
    assert [path.name for path in folder.parent.iterdir()] == ["theirs"]


def test_what_is_described_and_is_not_there_is_told(folder: Path) -> None:
    (folder / "plugins/greetings/deep/more.py").write_text("def whisper(): ...\n")
    (folder / "plugins/keeping/__init__.py").write_text("def hello(): ...\n")
    (folder / "plugins/greetings/tasks.py").write_text("def hello(:\n")
    done = run(str(folder), "-o", str(folder.parent / "ours"), "--json")
    codes = {one["code"] for one in json.loads(done.stdout)["errors"]}
    assert "not_python" in codes


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        ("[[plugins", "malformed_toml"),
        ("plugins = 5", "malformed_toml"),
        ("plugins = [5]", "malformed_toml"),
        ("[[plugins]]\npath = '../up'", "malformed_toml"),
        ("[[plugins]]\npath = 'plugins/none'", "no_package"),
        ("[[plugin]]\npath = 'x'", "unknown_key"),
        ("[[entrypoints]]\npath = 'none.yaml'\nname = 'x'", "no_file"),
    ],
)
def test_a_malformed_description_is_an_answer(folder: Path, toml: str, code: str) -> None:
    (folder / "dioptra.toml").write_text(toml)
    done = run(str(folder), "-o", str(folder.parent / "ours"), "--json")
    assert done.exit_code == 2, done.output
    assert code in {one["code"] for one in json.loads(done.stdout)["errors"]}


def test_a_graph_that_begins_with_a_mark_of_its_own_is_written_anew(folder: Path) -> None:
    (folder / "entrypoints/hello.yaml").write_text(f"---\n{GRAPH}")
    out = folder.parent / "ours"
    done = run(str(folder), "-o", str(out))
    assert done.exit_code == 0, done.output
    graph = read_graph((out / "entry_points/hello-world/hello-world.yaml").read_text())
    assert not graph.problems
    assert list(graph.steps) == ["hello_step", "shouted", "again"]


def test_a_folder_that_is_there_is_left_alone(folder: Path) -> None:
    done = run(str(folder), "-o", str(folder))
    assert done.exit_code == 2
    assert "is there already" in done.output
