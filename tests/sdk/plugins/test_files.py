"""A plugin is the same plugin however it is sent; what no archive may hold is refused."""

import hashlib
import io
import os
import tarfile
import zipfile

import pytest

from tests.sdk.plugins.sources import IMPORT, codes, plugin, read
from tiltyard.plugins import PluginSource, canonical, digest, read_plugin, write_canonical
from tiltyard.wire.plugins import TaskOutput, Type

TASK = (IMPORT + "@task\ndef f() -> int: return 1\n").encode()


def written(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def zipped(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def packed(root, **options):
    found = read_plugin(root, **options)
    assert isinstance(found, PluginSource), found
    return found.packed()


def test_the_same_files_are_the_same_bytes_however_they_are_sent(tmp_path):
    files = plugin(main=TASK)
    metadata = b"Metadata-Version: 2.1\nName: my-attacks\nVersion: 1.0\n\nlong text\n"
    wheel = {
        "attacks/main.py": TASK,
        "my_attacks-1.0.dist-info/METADATA": metadata,
        "my_attacks-1.0.dist-info/RECORD": b"",
    }
    folder = written(
        tmp_path / "folder", {**files, "README.md": b"#", "tests/test_it.py": b"", "attacks/x.pyc": b"x"}
    )
    (folder / "attacks" / "main.py").chmod(0o755)
    os.utime(folder / "attacks" / "main.py", (1, 1))
    same = [
        packed(files),
        packed(dict(reversed(files.items()))),
        packed(folder),
        packed(zipped(tmp_path / "a.zip", files)),
        packed(tarred(tmp_path / "a.tgz", {f"wrapped/{name}": content for name, content in files.items()})),
        packed(zipped(tmp_path / "a-1.0-py3-none-any.whl", wheel)),
        packed(written(tmp_path / "attacks", {"main.py": TASK}), version="1.0"),
        packed({"main.py": TASK}, name="attacks", version="1.0"),
        packed({**files, "plugin.toml": b"# of ours\nversion = '1.0'\n"}),
    ]
    assert len(set(same)) == 1


def test_what_is_packed_unpacks_to_the_package_and_its_manifest(tmp_path):
    found = read(main=TASK.decode(), data__words="x = 1\n")
    digest_written = write_canonical(found.files, tmp_path / "a.tar")
    assert digest_written == digest(found.files) == hashlib.sha256(canonical(found.files)).hexdigest()
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["attacks/data/words.py", "attacks/main.py", "plugin.toml"]
        assert {(info.mtime, info.mode, info.uname) for info in tar} == {(0, 0o644, "")}
    again = read_plugin(tmp_path / "a.tar")
    assert isinstance(again, PluginSource)
    assert (again.tasks, again.packed()) == (found.tasks, found.packed())


def test_the_manifest_is_read_and_written_in_one_form():
    toml = 'version = "1"\nrequires = ["torch>=2,<3", "numpy"]\nname = "attacks"\ndescription = "Ours: \\"é\\" \\u007f."\n'
    found = read_plugin({**plugin(main=TASK), "plugin.toml": toml.encode()})
    assert isinstance(found, PluginSource)
    assert (found.requires, found.description) == (["torch>=2,<3", "numpy"], 'Ours: "é" \x7f.')
    again = read_plugin(found.files)
    assert isinstance(again, PluginSource)
    assert (again.description, again.files) == (found.description, found.files)


def test_a_wheels_requirements_are_those_without_extras():
    metadata = (
        b"Version: 2\nSummary: Ours.\nRequires-Dist: numpy (>=1)\nRequires-Dist: pytest ; extra == 'dev'\n"
    )
    found = read_plugin({"a/x.py": TASK, "a-2.dist-info/METADATA": metadata})
    assert isinstance(found, PluginSource)
    assert (found.name, found.version, found.description, found.requires) == (
        "a",
        "2",
        "Ours.",
        ["numpy (>=1)"],
    )


@pytest.mark.parametrize(
    ("toml", "code"),
    [
        (b"name = ", "malformed_toml"),
        (b"\xff", "malformed_toml"),
        (b"a = " + b"[" * 5000, "malformed_toml"),
        (b"naem = 'x'", "malformed_toml"),
        (b"version = 1.0", "malformed_toml"),
        (b"requires = 'torch'", "malformed_toml"),
        (b"requires = ['torch >']", "bad_requirement"),
        (b"requires = ['--index-url=x']", "bad_requirement"),
        (b"#" * 100_000, "too_large"),
        (b"name = 'other'\nversion='1'", "no_package"),
    ],
)
def test_a_manifest_that_is_wrong_is_a_problem(toml, code):
    assert codes({**plugin(main=TASK), "plugin.toml": toml}) == [code]


def test_a_mistake_in_toml_is_told_by_its_line():
    found = read_plugin({**plugin(main=TASK), "plugin.toml": b"name = 'attacks'\nversion = \n"})
    assert isinstance(found, list)
    assert (found[0].pointer, found[0].line, found[0].column) == ("/plugin.toml", 2, 11)


def test_there_is_one_package():
    assert codes({"a/x.py": TASK, "b/x.py": TASK}, version="1") == ["two_packages"]
    assert codes({"a/x.txt": b""}, version="1") == ["no_package"]
    assert codes({"tests/x.py": b""}, version="1") == ["no_package"]
    assert codes({"x.py": TASK}, version="1") == ["no_package"]
    found = read_plugin({"a/x.py": TASK, "b/x.py": TASK}, name="b", version="1")
    assert isinstance(found, PluginSource)
    assert set(found.files) == {"plugin.toml", "b/x.py"}


def test_a_folder_that_hides_a_link_is_refused(tmp_path):
    root = written(tmp_path / "p", plugin(main=TASK))
    (root / "attacks" / "passwords").symlink_to("/etc/passwd")
    assert codes(root) == ["link"]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../x.py", "parent_path"),
        ("/x.py", "absolute_path"),
        ("a\\b.py", "backslash"),
        ("A/X.py", "duplicate"),
    ],
)
def test_names_that_leave_the_folder_are_refused(name, code):
    assert codes({"a/x.py": TASK, name: TASK}, version="1") == [code]


def test_what_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "plugin.zip"
    path.write_bytes(b"no archive")
    assert codes(path) == ["unknown_format"]


DIOPTRA = b"""
[[plugins]]
path = "plugins/hello"
description = "Says hello."
  [[plugins.tasks.functions]]
  filename = "tasks.py"
  name = "split"
  input_params = []
  output_params = [ { name = "left", type = "words" }, { name = "right", type = "loop" } ]
[[plugins]]
path = "plugins/other"
[[plugin_param_types]]
name = "words"
structure = { list = "string" }
[[plugin_param_types]]
name = "loop"
structure = { tuple = ["loop", "loop"] }
"""


def test_a_dioptra_file_names_the_outputs_of_its_functions():
    files = {"dioptra.toml": DIOPTRA, "plugins/hello/tasks.py": b"def split(text): ...\ndef helper(): ...\n"}
    found = read_plugin(files, version="1")
    assert isinstance(found, PluginSource)
    assert (found.name, found.description, set(found.files)) == (
        "hello",
        "Says hello.",
        {"plugin.toml", "hello/tasks.py"},
    )
    [task] = found.tasks
    assert (task.path, [one.name for one in task.outputs]) == ("hello.tasks.split", ["left", "right"])
    assert task.outputs[0] == TaskOutput(name="left", type=Type(kind="list", of=[Type(kind="string")]))


def test_what_a_dioptra_file_says_of_the_package_beside_it_is_kept_with_it():
    described = DIOPTRA.replace(b"plugins/", b"")
    files = {"dioptra.toml": described, "hello/tasks.py": b"def split(text): ...\n"}
    found = read_plugin(files, name="hello", version="1")
    assert isinstance(found, PluginSource)
    assert set(found.files) == {"dioptra.toml", "plugin.toml", "hello/tasks.py"}
    again = read_plugin(found.files, name="hello")
    assert isinstance(again, PluginSource)
    assert (again.tasks, again.packed()) == (found.tasks, found.packed())
    assert [one.name for one in again.tasks[0].outputs] == ["left", "right"]


def test_several_plugins_of_a_dioptra_file_are_read_one_by_one():
    files = {"dioptra.toml": DIOPTRA, "plugins/hello/tasks.py": TASK, "plugins/other/tasks.py": TASK}
    assert codes(files, version="1") == ["two_packages"]
    found = read_plugin(files, name="other", version="1")
    assert isinstance(found, PluginSource)
    assert found.name == "other"


def test_a_type_that_only_a_dioptra_site_knows_fits_everything_and_an_annotation_goes_before_it():
    declared = DIOPTRA.replace(b'type = "words"', b'type = "message"').replace(
        b', { name = "right", type = "loop" }', b""
    )
    for source, kind in ((b"def split(text): ...\n", "any"), (b"def split(text) -> str: ...\n", "string")):
        found = read_plugin({"dioptra.toml": declared, "plugins/hello/tasks.py": source}, version="1")
        assert isinstance(found, PluginSource)
        assert [(one.name, one.type.kind) for one in found.tasks[0].outputs] == [("left", kind)]
