"""A plugin's task, found by its path: every way that the path can be wrong says what to do, and results are checked."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiltyard.steps import UnknownTask, WrongOutputs, checked, find
from tiltyard.tasks import TaskOptions, options_of

TASKS = """\
from tiltyard import task

@task(outputs={"train": list, "test": list}, tags=["data"])
def split(rows):
    return rows[:1], rows[1:]

@task
def count(rows):
    return len(rows)

NUMBER = 1
"""


@pytest.fixture(autouse=True)
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    package = tmp_path / "stepsgiven"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "data.py").write_text(TASKS)
    (package / "heavy.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    pin = {"name": "stepsgiven", "version": "1.0", "sha256": "0" * 64}
    monkeypatch.setenv("TILTYARD_PLUGINS", json.dumps([pin]))
    yield
    for name in [name for name in sys.modules if name.startswith("stepsgiven")]:
        del sys.modules[name]


def test_a_path_leads_to_the_function_itself() -> None:
    assert find("stepsgiven.data.count")([1, 2]) == 2


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("count", "write it as package.module.function"),
        ("stepsgiven.data.", "write it as package.module.function"),
        ("elsewhere.data.count", "there is no plugin 'elsewhere' in this job, which has stepsgiven 1.0: declare `plugins: [elsewhere]`"),
        ("stepsgiven.nowhere.count", "the plugin 'stepsgiven' has no module 'stepsgiven.nowhere'"),
        ("stepsgiven.heavy.count", "needs 'no_such_library', which this image does not have"),
        ("stepsgiven.data.cuont", "did you mean 'count'?"),
        ("stepsgiven.data.zzz", "its tasks are count, split"),
        ("stepsgiven.data.NUMBER", "its tasks are count, split"),
    ],
)  # fmt: skip
def test_a_path_that_leads_nowhere_says_what_to_do(path: str, said: str) -> None:
    with pytest.raises(UnknownTask) as wrong:
        find(path)
    assert said in str(wrong.value)


OPTIONS = TaskOptions(name="split", outputs={"train": list, "test": list})


@pytest.mark.parametrize("result", [(1, 2), [1, 2], {"test": 1, "train": 2}])
def test_results_that_are_as_declared_come_as_they_are(result: object) -> None:
    assert checked(lambda: result, OPTIONS)() is result


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ((1,), "the task 'split' declares 2 results (train, test) and returned 1"),
        ((1, 2, 3), "and returned 3"),
        (None, "and returned one NoneType"),
        ({"train": 1}, "returned a mapping without test"),
        ({"train": 1, "tset": 2}, "returned a mapping without test and with tset beside them"),
    ],
)
def test_results_that_are_not_as_declared_are_an_error(result: object, said: str) -> None:
    with pytest.raises(WrongOutputs) as wrong:
        checked(lambda: result, OPTIONS)()
    assert said in str(wrong.value)


def test_a_number_of_results_is_checked_and_a_coroutine_s_too() -> None:
    async def three() -> tuple[int, int, int]:
        return 1, 2, 3

    options = TaskOptions(name="three", outputs=2)
    with pytest.raises(WrongOutputs, match="'three' declares 2 results and returned 3"):
        asyncio.run(checked(three, options)())


@pytest.mark.parametrize("outputs", [None, 1, {"only": int}])
def test_one_result_is_what_it_is(outputs: object) -> None:
    def function() -> tuple[int, int]:
        return 1, 2

    assert checked(function, TaskOptions(name="one", outputs=outputs)) is function  # type: ignore[arg-type]


def test_a_checked_function_still_says_what_it_is() -> None:
    split = find("stepsgiven.data.split")
    options = options_of(split)
    assert options is not None
    assert options_of(checked(split, options)) is options
    assert checked(split, options)([1, 2, 3]) == ([1], [2, 3])
