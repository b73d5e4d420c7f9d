"""The check imports every module in a process of its own, and says how each went."""

import os
import subprocess
import sys

import pytest

from tests.sdk.plugins.sources import IMPORT

TASK = IMPORT + "@task\ndef f() -> int: return 1\n"


@pytest.fixture
def check(tmp_path):
    """Check a package of these modules; the exit code, and what was printed on both streams."""

    def run(*arguments: str, **modules: str) -> tuple[int, list[str], str]:
        (tmp_path / "attacks").mkdir()
        for name, text in modules.items():
            (tmp_path / "attacks" / f"{name}.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "tiltyard.plugins.check", "attacks", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def test_every_module_is_loaded_and_its_tasks_are_there(check):
    code, out, err = check(__init__="", a=TASK, b="print('hello')")
    assert (code, err) == (0, "")
    assert [line.split(" in ")[0] for line in out] == [
        "attacks: loaded",
        "attacks.a: loaded",
        "hello",
        "attacks.b: loaded",
        "attacks: 3 of 3 modules loaded",
    ]
    assert out[1].endswith(", 1 task")


def test_a_missing_library_makes_a_module_unavailable_and_nothing_worse(check):
    code, out, _ = check(a=TASK, b="import no_such_library.deep\n" + TASK.replace("def f", "def g"))
    assert code == 0
    assert "attacks.b: not available in this image: no_such_library is missing" in out


def test_a_plugin_of_which_no_task_loads_is_refused(check):
    code, out, _ = check(__init__="", b="import no_such_library\n" + TASK)
    assert code == 1
    assert "nothing of it can be used in this image" in out[-1]


def test_an_error_is_told_with_its_whole_traceback_and_once(check):
    code, out, err = check(a=TASK, b="def g():\n    raise KeyError('b')\ng()\n", c="import attacks.b")
    assert code == 1
    assert "attacks.b: KeyError: 'b'" in out
    assert "attacks.c: the same error as in attacks.b" in out
    assert err.startswith("Traceback")
    assert "line 2, in g\n    raise KeyError('b')\nKeyError: 'b'\n" in err
    assert "importlib" not in err
    assert "loading.py" not in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; sys.exit(3)", "it exits when it is imported: sys.exit(3)"),
        ("import sys; sys.exit('no')", "it exits when it is imported: sys.exit('no')"),
        ("import os; os._exit(0)", "it exits when it is imported: the process ended with code 0"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "the process ended with signal 9"),
        ("import sys; sys.stdout.close(); sys.stderr.close(); 1/0", "ZeroDivisionError: division by zero"),
        ("import good", "good is a module of this plugin: write `from attacks import good`"),
        ("from tiltyard import task\n@task\ndef g(): ...\ndel g", "its source promises the task g"),
    ],
)
def test_a_module_that_ends_the_process_or_breaks_its_word_is_told_and_the_rest_is_tried(check, text, told):
    code, out, _ = check(bad=text, good=TASK)
    assert code == 1
    assert any(line.startswith("attacks.bad: ") and told in line for line in out), out
    assert any(line.startswith("attacks.good: loaded") for line in out), out


def test_a_module_that_is_imported_without_end_is_told(check):
    code, out, _ = check("--limit", "3", a=TASK, slow="import threading; threading.Event().wait()", z=TASK)
    assert code == 1
    assert "attacks.slow: it was not imported after 3 seconds" in out


def test_a_thread_that_a_module_started_keeps_nobody(check):
    code, _, _ = check(a=TASK + "import threading\nthreading.Thread(target=threading.Event().wait).start()\n")
    assert code == 0


def test_a_task_under_a_condition_may_be_missing(check):
    code, out, _ = check(a="from tiltyard import task\nif False:\n  @task\n  def g(): ...\n" + TASK)
    assert code == 0
    assert "attacks.a: the task g is not there in this image" in out


def test_a_package_that_is_not_there_is_an_error_of_whoever_asked():
    done = subprocess.run(
        [sys.executable, "-m", "tiltyard.plugins.check", "no_such_package"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "there is no package no_such_package" in done.stderr
