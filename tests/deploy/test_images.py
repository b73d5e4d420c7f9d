"""The Dockerfile, checked against the files and extras that it names. Building needs an engine; these need none."""

import fnmatch
import re
import tomllib

import pytest

from tests.deploy.site import ROOT, services

DOCKERFILE = (ROOT / "deploy/images/Dockerfile").read_text()
STAGES = re.findall(r"^FROM .+ AS (\w+)$", DOCKERFILE, re.MULTILINE)
BUILT = {name: service["build"] for name, service in services().items() if "build" in service}


def stage(name: str) -> str:
    """A stage's own instructions."""
    return DOCKERFILE.split(f" AS {name}\n")[1].split("\nFROM ")[0]


def copied() -> list[str]:
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_what_is_copied_exists() -> None:
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_what_is_copied_is_in_the_build_context() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert [source for source in copied() if not any(fnmatch.fnmatch(source, rule) for rule in kept)] == []


def test_every_import_root_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {package.split("/")[0] for package in packages} <= set(copied())


@pytest.mark.parametrize("name", BUILT)
def test_an_image_is_built_from_a_stage_and_an_extra_that_exist(name: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert (ROOT / BUILT[name]["dockerfile"]).is_file()
    assert BUILT[name]["target"] in STAGES
    assert BUILT[name]["args"]["EXTRA"] in extras


@pytest.mark.parametrize("name", ["worker-cpu", "worker-pytorch", "worker-tensorflow"])
def test_a_workers_extra_is_its_image(name: str) -> None:
    image = name.removeprefix("worker-")
    assert BUILT[name]["args"]["EXTRA"] == {"cpu": "worker"}.get(image, image)


@pytest.mark.parametrize("name", ["gateway", "worker", "mlflow"])
def test_an_image_does_not_run_as_root(name: str) -> None:
    # By number: an orchestrator that refuses root cannot look a name up.
    assert re.findall(r"^USER (\S+)$", stage(name), re.MULTILINE)[-1] == "10001:10001"
    assert "--uid 10001" in stage("base")


def test_images_start_the_tiltyard_command_and_stop_on_a_signal() -> None:
    assert 'ENTRYPOINT ["tiltyard"]' in stage("base")
    assert "STOPSIGNAL SIGTERM" in stage("base")


def test_a_worker_brings_its_fence() -> None:
    assert "bubblewrap" in stage("worker")


def test_an_image_installs_what_the_lock_file_says() -> None:
    syncs = re.findall(r"uv sync .+", DOCKERFILE)
    assert len(syncs) == 2
    assert all("--frozen" in line and "--no-dev" in line for line in syncs)
