"""The OpenAPI document is true: every answer is typed, every example is valid, and no input brings a 5xx."""

import asyncio
import re
import zlib
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import USER, WORKER, Gateway
from tiltyard_api.app import create_app
from tiltyard_orchestrator.settings import Settings

VERBS = (
    "upload|get|head|download|create|list|update|delete|put|claim|report|finish|release|submit|validate|cancel|follow|"
    "retry|clone|replay|explain|drain|stop|rejoin|prune|activate|pause|resume"
)
WORKERS_ONLY = {"put_worker", "claim_job"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    given = {"database_url": "postgresql://x/y", "broker_url": "redis://x", "store_dir": "/nowhere"}
    return dict(create_app(Settings(**given)).openapi())


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")


def test_every_operation_has_a_name_of_its_own_that_is_a_verb_and_a_noun(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(names) == len(set(names))
    assert [name for name in names if not re.fullmatch(f"({VERBS})_[a-z_]+", name)] == []


def test_every_operation_says_what_it_is_for(document: dict[str, Any]) -> None:
    assert [one["operationId"] for one in operations(document) if len(one.get("description", "")) < 10] == []


def test_every_answer_is_typed_and_every_error_is_a_problem(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, response in operation["responses"].items():
            name = (operation["operationId"], status)
            if "$ref" in response:
                assert re.fullmatch(r"#/components/responses/Problem(\d{3})?", response["$ref"]), name
            elif status not in {"204", "304"} and operation["operationId"] != "head_archive":
                schemas = [content["schema"] for content in response["content"].values()]
                assert schemas, name
                assert all(schemas), name


def test_every_operation_but_health_and_what_a_link_opens_asks_for_a_token(document: dict[str, Any]) -> None:
    open_to_all = [one["operationId"] for one in operations(document) if not one.get("security")]
    assert sorted(open_to_all) == ["download_linked_artifact", "get_health"]


def test_everything_sent_has_a_valid_example(document: dict[str, Any]) -> None:
    found = 0
    bodies = [
        (operation["operationId"], content)
        for operation in operations(document)
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, content in part.get("content", {}).items()
        if "json" in kind
    ]
    bodies += [
        (name, content)
        for name, response in document["components"]["responses"].items()
        for content in response["content"].values()
    ]
    for name, content in bodies:
        assert "example" in content, name
        schema = content["schema"] | {"components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(content["example"])
        found += 1
    assert found > 50


def test_raw_bodies_are_said_to_be_bytes(document: dict[str, Any]) -> None:
    raw = {
        one["operationId"]
        for one in operations(document)
        if "application/octet-stream" in str(one.get("requestBody"))
    }
    assert raw == {
        "upload_archive",
        "upload_bundle",
        "upload_plugin",
        "put_attempt_artifact",
        "upload_artifact",
    }


async def test_no_input_brings_a_5xx_and_every_answer_is_as_it_is_said(gateway: Gateway) -> None:
    job = await gateway.submit()
    claim = await gateway.running()
    asked = {"experiment": "digits", "archive": job.archive, "axes": [{"parameter": "eps", "values": [1, 2]}]}
    sweep = (await gateway.user.post("/sweeps", json=asked)).json()["id"]
    known = {
        "job": claim.job, "epoch": claim.epoch, "name": "digits", "sha256": job.archive, "worker": "w1", "sweep": sweep,
    }  # fmt: skip
    document = (await gateway.nobody.get(f"{gateway.url}/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=gateway.url)

    def fuzz() -> None:
        for result in schema.get_all_operations():
            _try(result.ok(), known, claim.token)

    await asyncio.to_thread(fuzz)
    assert (await gateway.user.get(f"/jobs/{job.id}")).status_code in {200, 404, 410}


def _try(operation: Any, known: dict[str, Any], attempt_token: str) -> None:
    name = operation.definition.raw["operationId"]
    token = WORKER if name in WORKERS_ONLY else attempt_token if "/attempts/" in operation.path else USER

    @settings(
        max_examples=15, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        (case.query or {}).pop("wait", None)  # a minute of waiting finds nothing
        _lead_somewhere(case, known)
        response = case.call(headers={"Authorization": f"Bearer {token}"})
        case.validate_response(
            response,
            checks=[
                not_a_server_error, status_code_conformance, content_type_conformance,
                response_schema_conformance, response_headers_conformance,
            ],
        )  # fmt: skip

    one()


def _lead_somewhere(case: Any, known: dict[str, Any]) -> None:
    """Half of the time, name things that are there."""
    drawn = f"{case.path_parameters} {case.query} {case.headers} {case.body}"
    if zlib.crc32(drawn.encode(errors="replace")) % 2:
        return
    given = case.path_parameters or {}
    case.path_parameters = given | {key: known[key] for key in given if key in known}
    if isinstance(case.body, dict):
        real = {"archive": known["sha256"], "queue": "cpu", "entry_point": "main", "timeout": 60, "first": 0}
        case.body = case.body | {key: value for key, value in real.items() if key in case.body}
