"""The one MLproject of an archive is found and parsed, and nothing in it can grow."""

import pytest

from tiltyard.archive import Contents
from tiltyard.archive.project import load, project_folder, read_document


def contents(**documents):
    named = {name.replace("__", "/"): text for name, text in documents.items()}
    return Contents(format="tar", files=list(named), size_unpacked=0, documents=named)


def detail(data):
    [problem] = read_document(data)
    assert (problem.pointer, problem.code) == ("/MLproject", "malformed_mlproject")
    return problem.detail


def test_the_project_is_the_folder_of_the_one_mlproject():
    assert project_folder(contents(MLproject=b"")) == ""
    assert project_folder(contents(a__b__MLproject=b"")) == "a/b"
    assert load(contents(a__MLproject=b"name: x")) == {"name": "x"}


def test_no_mlproject_and_two_are_told():
    [none] = load(contents())
    [two] = load(contents(a__MLproject=b"", MLproject=b""))
    assert (none.code, two.code) == ("no_mlproject", "two_mlprojects")
    assert "MLproject, a/MLproject" in two.detail


def test_what_is_not_yaml_is_told_with_line_and_column():
    assert detail(b"a: 1\nb: [1, 2\nc: }").startswith("line 3, column ")
    assert detail(b"a: 1\nb: !!python/object:os.system x").startswith("line 2, column 4: ")
    assert detail(b"a: 1\na: 2") == "line 2, column 1: the key 'a' stands here a second time"


@pytest.mark.parametrize(
    "data",
    [b"", b"- a", b"text", b"a: 1\n---\nb: 2", b"\xff\xfe\x00", b"a: \xff", b"a: 2020-13-45", b"a: !!int x", b"a: !!bool x", b"a: !!timestamp x",
     b"? [a]\n: 1", b"a: " + b"9" * 9000, b"a: *b", b"[" * 60_000, b"a: \x00"],
)  # fmt: skip
def test_whatever_is_no_mapping_in_yaml_is_a_problem(data):
    assert len(detail(data)) < 300


def test_documents_that_would_grow_are_refused_before_they_do():
    bomb = b"a: &a [x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(9))
    assert detail(bomb) == "line 10, column 10: it has more than 16 aliases"
    assert "nested too deep" in detail(b"[" * 1000)
    assert "over 65536 bytes" in detail(b"#" * 65_537)


def test_a_few_aliases_and_merges_are_fine():
    document = read_document(
        b"x: &x {eps: float}\nentry_points: {main: {command: a, parameters: {<<: *x, eps: string}}}"
    )
    assert document["entry_points"]["main"]["parameters"] == {"eps": "string"}


@pytest.mark.parametrize(
    "data", [b"name: 0x" + b"F" * 20_000, b"name: 1" + b":1" * 20_000, b"a: {b: [-0x" + b"F" * 9_000 + b"]}"]
)
def test_a_number_of_many_digits_is_told_by_its_place(data):
    assert "has more digits than can be told" in detail(data)
