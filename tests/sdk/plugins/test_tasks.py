"""A task is what its decorators, its signature and its docstring say."""

import pytest

from tests.sdk.plugins.sources import IMPORT, codes, only, plugin, read
from tiltyard.plugins.shown import type_text


@pytest.mark.parametrize(
    "marked",
    [
        "from tiltyard import task\n@task\n",
        "from tiltyard import task as t\n@t()\n",
        "import tiltyard\n@tiltyard.task\n",
        "import tiltyard as tt\n@tt.task(retries=0)\n",
        "from tiltyard.tasks import task\nmine = task\n@mine\n",
        "from .base import task\n@task\n",
        "from tiltyard import *\n@task\n",
        "from dioptra import pyplugs\n@pyplugs.register\n",
        "from dioptra import pyplugs\n@pyplugs.register()\n",
        "from mitre.securingai import pyplugs\n@pyplugs.register\n@pyplugs.task_nout(1)\n",
        "import pyplugs\n@pyplugs.register\n",
        "from prefect import task\n@task\n",
        "from prefect import task\n@task(retries=N, cache_policy=what())\n",
    ],
)
def test_a_function_is_a_task_under_every_spelling(marked):
    found = read(main=f"N = 3\n{marked}def f(): ...\n", base="from tiltyard import task\n")
    assert [task.path for task in found.tasks] == ["attacks.main.f"]


def test_a_function_that_only_looks_like_a_task_is_none():
    text = (
        IMPORT
        + "from celery import task as other\n@other\ndef a(): ...\nclass C:\n  @task\n  def b(self): ...\n@task\ndef c(): ...\n"
    )
    assert [task.name for task in read(main=text).tasks] == ["c"]


def test_a_plugin_may_bind_the_name_itself():
    assert codes(plugin(main="def task(f): return f\n@task\ndef f(): ...\n")) == ["no_tasks"]


def test_options_are_read():
    task = only(
        "@task(name='fast-gradient', retries=2, timeout='1h30m', tags=['evasion', 'AML.T0043'],\n"
        "      outputs={'images': list[float], 'accuracy': float})\nasync def f(): ...\n"
    )
    assert (task.name, task.function, task.retries, task.timeout) == ("fast-gradient", "f", 2, 5400)
    assert task.tags == ["evasion", "AML.T0043"]
    assert [(one.name, type_text(one.type)) for one in task.outputs] == [
        ("images", "list of float"),
        ("accuracy", "float"),
    ]


@pytest.mark.parametrize(
    ("returns", "outputs"),
    [
        ("", [("result", "any")]),
        (" -> int", [("result", "integer")]),
        (" -> tuple[int, str]", [("result", "(integer, string)")]),
        (" -> None", []),
    ],
)
def test_without_outputs_there_is_one_result(returns, outputs):
    task = only(f"@task\ndef f(){returns}: ...\n")
    assert [(one.name, type_text(one.type)) for one in task.outputs] == outputs


def test_a_number_of_outputs_takes_its_types_from_the_annotation():
    numbered = "from dioptra import pyplugs as p\n@p.register('both')\n@p.task_nout(2)\ndef f(){}: ...\n"
    [task] = read(main=numbered.format(" -> tuple[int, str]")).tasks
    assert task.name == "both"
    assert [(one.name, type_text(one.type)) for one in task.outputs] == [
        ("output_1", "integer"),
        ("output_2", "string"),
    ]
    assert [one.type.kind for one in only("@task(outputs=3)\ndef f(): ...\n").outputs] == ["any"] * 3


@pytest.mark.parametrize(
    "option",
    [
        "retries=N",
        "retries=-1",
        "retries=True",
        "retries=1.5",
        "name=7",
        "name='a b'",
        "name=f'{N}'",
        "timeout='soon'",
        "timeout=0",
        "timeout=float('inf')",
        "timeout=[1]",
        "tags='evasion'",
        "tags=[N]",
        "outputs=[int]",
        "outputs={N: int}",
        "outputs={'a b': int}",
        "outputs={'a': int, 'a': str}",
        "outputs={**N}",
        "outputs=10 ** 9",
        "retry=1",
        "**N",
        "'name'",
        "retries=" + "-" * 500 + "1",
    ],
)
def test_an_option_that_cannot_be_read_is_a_problem(option):
    assert codes(plugin(main=f"{IMPORT}N = 1\n@task({option})\ndef f(): ...\n")) == ["bad_option"]


def test_an_input_has_its_default_as_json_and_as_it_is_written():
    task = only(
        "import numpy as np\n@task\ndef f(a, /, b: float = 1e-3, c=(1, -2), d=np.inf, e=1 / 255, g={'k': None}, h=b'x', *more, i, j='é' , **rest): ...\n"
    )
    told = {one.name: (one.required, one.default, one.default_text) for one in task.inputs}
    assert told == {
        "a": (True, None, ""),
        "b": (False, 0.001, "1e-3"),
        "c": (False, [1, -2], "(1, -2)"),
        "d": (False, None, "np.inf"),
        "e": (False, None, "1 / 255"),
        "g": (False, {"k": None}, "{'k': None}"),
        "h": (False, None, "b'x'"),
        "more": (False, None, ""),
        "i": (True, None, ""),
        "j": (False, "é", "'é'"),
        "rest": (False, None, ""),
    }
    assert [one.name for one in task.inputs if one.variadic] == ["more", "rest"]
    assert [one.name for one in task.inputs if one.keyword_only] == ["i", "j", "rest"]


GOOGLE = '''"""Take a step along the gradient.

    As Goodfellow and others, 2015, say.

    Args:
        eps (float): how far,
            on the same scale.
        **rest: whatever.

    Returns:
        images: changed ones.
        count: how many.

    Raises:
        ValueError: eps is below 0.
    """'''
REST = '''"""Take a step along the gradient.

    As Goodfellow and others, 2015, say.

    :param eps: how far,
        on the same scale.
    :type eps: float
    :param int rest: whatever.
    :returns: changed ones.
    """'''
NUMPY = '''"""Take a step along the gradient.

    As Goodfellow and others, 2015, say.

    Parameters
    ----------
    eps : float
        how far,
        on the same scale.
    rest
        whatever.

    Returns
    -------
    images : array
        changed ones.
    """'''


@pytest.mark.parametrize("docstring", [GOOGLE, REST, NUMPY])
def test_a_docstring_tells_of_every_input(docstring):
    task = only(f"@task\ndef f(eps, **rest):\n    {docstring}\n")
    assert task.summary == "Take a step along the gradient."
    assert task.description.startswith("As Goodfellow and others, 2015, say.")
    assert [one.help for one in task.inputs] == ["how far, on the same scale.", "whatever."]
    assert "changed ones." in task.outputs[0].help
    assert "scale" not in task.description


def test_a_docstring_tells_of_every_output_and_keeps_what_is_neither():
    task = only(f"@task(outputs={{'images': list, 'count': int}})\ndef f(eps):\n    {GOOGLE}\n")
    assert [one.help for one in task.outputs] == ["changed ones.", "how many."]
    assert "ValueError: eps is below 0." in task.description


def test_a_task_needs_what_its_module_needs_at_import():
    text = """
import json, torch.nn, tiltyard
from sklearn.base import BaseEstimator
from . import near
from .sub.deep import thing
if TYPE_CHECKING:
    import only_for_types
if __name__ == "__main__":
    import only_when_run
try:
    import maybe
except ImportError:
    import instead
with contextlib.suppress(ImportError):
    import suppressed
class C:
    import in_a_class
@task
def f():
    import inside
"""
    others = {
        "near": "import art.attacks\nfrom attacks.main import f\nfrom dioptra import pyplugs\n",
        "sub__INIT": "import pandas",
        "sub__deep": "import scipy as s\n",
        "far": "import far_away",
    }
    found = read(main=IMPORT + text, **others)
    assert found.tasks[0].imports == ["art", "in_a_class", "pandas", "scipy", "sklearn", "torch"]
