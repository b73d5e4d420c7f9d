"""The plugins that a job was given: the very version, before everything else on its path, and a word for each that fails."""

from pathlib import Path

import pytest

from tests.workers.conftest import Run
from tests.workers.double import Gateway, Job
from tiltyard.wire import PluginPin

WHICH = {"main.py": "import shapes; print(shapes.VERSION, shapes.__file__)"}


def version(number: str) -> dict[str, str]:
    return {"plugin.toml": "name = 'shapes'\n", "shapes/__init__.py": f"VERSION = {number!r}\n"}


def how(job: Job) -> tuple[str, str, str]:
    assert job.finish is not None, job.log()
    return job.state, str(job.finish.reason), str(job.finish.message)


def test_two_jobs_of_one_worker_have_each_its_own_version(gateway: Gateway, run: Run) -> None:
    for number in ("1.0", "2.0", "1.0"):
        job = run("python main.py", WHICH, plugins=[gateway.push("shapes", number, version(number))])
        assert job.log("stdout").startswith(f"{number} "), job.log()
        assert "/job/plugins/shapes/shapes/" in job.log("stdout")


def test_a_plugin_is_had_from_what_is_kept_when_the_gateway_has_it_no_more(
    gateway: Gateway, run: Run, tmp_path: Path
) -> None:
    pin = gateway.push("shapes", "1.0", version("1.0"))
    run("python main.py", WHICH, plugins=[pin])
    del gateway.plugins["shapes", "1.0"]
    assert run("python main.py", WHICH, plugins=[pin]).state == "succeeded"
    (tmp_path / "scratch" / "archives" / pin.sha256).unlink()
    state, reason, message = how(run("python main.py", WHICH, plugins=[pin]))
    assert (state, reason) == ("failed", "start_failed")
    assert "the plugin shapes 1.0 could not be had: there is no plugins shapes versions 1.0." in message


def test_bytes_that_are_not_the_pinned_ones_are_not_unpacked(gateway: Gateway, run: Run) -> None:
    pin = gateway.push("shapes", "1.0", version("1.0"))
    gateway.push("shapes", "1.0", version("another"))
    state, reason, message = how(run("python main.py", WHICH, plugins=[pin]))
    assert (state, reason) == ("failed", "start_failed")
    assert "the plugin shapes 1.0 arrived damaged" in message


@pytest.mark.parametrize("name", ["../shapes", "a b", ""])
def test_a_name_that_leads_elsewhere_is_no_plugin(gateway: Gateway, run: Run, name: str) -> None:
    pin = gateway.push("shapes", "1.0", version("1.0")).model_copy(update={"name": name})
    state, reason, message = how(run("true", plugins=[PluginPin.model_validate(pin.model_dump())]))
    assert (state, reason) == ("failed", "start_failed")
    assert repr(name) in message


def test_another_sitecustomize_is_run_as_well(run: Run) -> None:
    other = {"other/sitecustomize.py": "print('the other ran')\n"}
    job = run(
        "PYTHONPATH=$PYTHONPATH:other python -c 'import sitecustomize; print(sitecustomize.__file__)'", other
    )
    assert job.log("stdout").startswith("the other ran\n"), job.log()
    assert "jobsite" in job.log("stdout")


def test_a_python_that_has_no_tiltyard_and_no_prefect_starts_all_the_same(run: Run) -> None:
    job = run("PYTHONPATH=$PYTHONPATH python -I -c 'print(1)'; python -S -c 'print(2)'")
    assert (job.state, job.log("stdout")) == ("succeeded", "1\n2\n")
