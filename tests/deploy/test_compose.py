"""compose.yaml, read as an engine would: what runs, what it is told, and what it can reach. No engine is needed."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic_settings import BaseSettings

import tiltyard_workers.settings
from tests.deploy.site import (
    ROOT,
    VARIABLE,
    broker_definitions,
    compose,
    declared_variables,
    raw_compose,
    services,
    workers,
)
from tiltyard_orchestrator.settings import Settings

TILTYARD = Path(sys.executable).parent / "tiltyard"
GATEWAY_SECRETS = ("DATABASE", "S3_", "STORE", "BOOTSTRAP", "POSTGRES")


def names(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {
        (field.validation_alias or prefix + name).upper() for name, field in settings.model_fields.items()
    }  # type: ignore[union-attr, operator]


def worker_names() -> set[str]:
    found = [one for one in vars(tiltyard_workers.settings).values() if isinstance(one, type)]
    return set().union(
        *(names(one) for one in found if issubclass(one, BaseSettings) and one is not BaseSettings)
    )


def ours(environment: dict[str, Any]) -> set[str]:
    return {name for name in environment if name.startswith("TILTYARD_")}


def test_every_variable_is_one_that_the_example_declares() -> None:
    used = {
        match["name"] for match in VARIABLE.finditer((ROOT / "compose.yaml").read_text()) if match["name"]
    }
    assert used - {"TILTYARD_PUBLISH"} == declared_variables()


def test_a_missing_secret_stops_the_start_instead_of_becoming_empty() -> None:
    for match in VARIABLE.finditer((ROOT / "compose.yaml").read_text()):
        assert match["name"] in {None, "TILTYARD_PUBLISH"} or match["kind"] == ":?", match[0]


def test_no_secret_stands_in_the_file() -> None:
    for service in raw_compose()["services"].values():
        for name, value in service.get("environment", {}).items():
            if any(word in name for word in ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY")):
                assert VARIABLE.fullmatch(value), f"{name} is written out"
            if "://" in str(value) and "@" in value:
                password = value.split("@")[0].rsplit(":", 1)[1] if "${" not in value else "${}"
                assert password == "${}", f"{name} holds a password"


@pytest.mark.parametrize("name", ["gateway", "migrate", *workers()])
def test_a_service_of_ours_runs_a_command_that_exists(name: str) -> None:
    command = services()[name]["command"]
    asked = subprocess.run([TILTYARD, *command, "--help"], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


@pytest.mark.parametrize("name", ["gateway", "migrate"])
def test_the_gateway_is_told_only_what_its_settings_know(name: str) -> None:
    assert ours(services()[name]["environment"]) <= names(Settings)


def test_the_migration_is_told_where_the_database_is_and_no_more() -> None:
    assert set(services()["migrate"]["environment"]) == {"TILTYARD_DATABASE_URL"}


def test_the_gateways_settings_accept_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in services()["gateway"]["environment"].items():
        monkeypatch.setenv(variable, value)
    settings = Settings()  # type: ignore[call-arg]
    assert settings.database.startswith("postgresql+asyncpg://tiltyard:")
    assert settings.s3_endpoint == "http://store:7070"


@pytest.mark.parametrize("name", workers())
def test_a_worker_is_told_only_what_its_settings_know(name: str) -> None:
    assert ours(services()[name]["environment"]) <= worker_names()


@pytest.mark.parametrize("name", workers())
def test_a_worker_holds_no_key_to_database_or_store(name: str) -> None:
    environment = workers()[name]["environment"]
    assert not [key for key in environment if any(word in key for word in GATEWAY_SECRETS)]
    assert not [value for value in environment.values() if "postgresql" in value]


@pytest.mark.parametrize("name", workers())
def test_a_worker_reaches_gateway_and_broker_alone(name: str) -> None:
    assert set(workers()[name]["networks"]) == {"bell", "work"}
    for network in workers()[name]["networks"]:
        assert compose()["networks"][network] == {"internal": True}


@pytest.mark.parametrize("name", workers())
def test_a_workers_queue_image_and_broker_user_have_one_name(name: str) -> None:
    worker, image = workers()[name], name.removeprefix("worker-")
    assert worker["command"] == ["worker", "--queue", image]
    assert worker["image"].startswith(f"tiltyard/worker-{image}:")
    assert worker["volumes"] == [f"scratch-{image}:/var/lib/tiltyard"]
    assert urlsplit(worker["environment"]["TILTYARD_BROKER_URL"]).username == name


def test_there_is_a_worker_for_each_image() -> None:
    assert set(workers()) == {"worker-cpu", "worker-pytorch", "worker-tensorflow"}


def test_mlflow_is_reached_by_the_gateway_alone() -> None:
    there = {name for name, service in services().items() if "tracking" in service.get("networks", [])}
    assert there == {"mlflow", "gateway"}
    assert "TILTYARD_MLFLOW_URL" in services()["gateway"]["environment"]


def test_only_the_gateway_publishes_a_port_and_only_on_loopback() -> None:
    assert {name: service["ports"] for name, service in services().items() if "ports" in service} == {
        "gateway": ["127.0.0.1:8420:8420"]
    }


@pytest.mark.parametrize("name", ["database", "broker", "store", "mlflow"])
def test_what_has_no_user_of_its_own_is_on_inner_networks_alone(name: str) -> None:
    for network in services()[name]["networks"]:
        assert compose()["networks"][network] == {"internal": True}


@pytest.mark.parametrize("kind", ["volumes", "networks", "configs"])
def test_what_a_service_uses_is_declared(kind: str) -> None:
    used = set()
    for service in services().values():
        for one in service.get(kind, []):
            name = one["source"] if isinstance(one, dict) else one.split(":")[0]
            used |= {name} if not name.startswith(".") else set()
    assert used == set(compose()[kind])


def test_every_mounted_file_exists() -> None:
    mounted = [one.split(":")[0] for service in services().values() for one in service.get("volumes", [])]
    for path in mounted:
        assert not path.startswith(".") or (ROOT / path).is_file(), path


def test_what_is_waited_for_can_say_that_it_is_well() -> None:
    dockerfile = (ROOT / "deploy/images/Dockerfile").read_text()
    for service in services().values():
        for awaited, how in service.get("depends_on", {}).items():
            target = services()[awaited].get("build", {}).get("target")
            by_image = target and "HEALTHCHECK" in dockerfile.split(f" AS {target}\n")[1].split("\nFROM ")[0]
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services()[awaited] or by_image, awaited


def test_every_url_names_a_service_and_users_that_the_broker_knows() -> None:
    passwords = {user["name"]: user["password"] for user in broker_definitions()["users"]}
    for service in services().values():
        for name, value in service.get("environment", {}).items():
            url = urlsplit(value) if "://" in value else None
            if url is not None:
                assert url.hostname in services(), f"{name} names {url.hostname}"
            if url is not None and url.scheme == "amqp":
                assert url.username is not None
                assert passwords[url.username] == url.password


def test_no_service_takes_whatever_is_newest() -> None:
    for service in services().values():
        tag = service["image"].rpartition(":")[2]
        assert tag != "latest"
        assert any(character.isdigit() for character in tag)
