"""What of MLflow is served, before anybody is asked: which paths, how they are spelled, and what bodies may say."""

import json
from typing import Any
from urllib.parse import unquote

import pytest
from mlflow.models import Model
from mlflow.models.resources import DatabricksServingEndpoint

from tiltyard_api.mlflow import places
from tiltyard_api.mlflow.bodies import check_body, read_body
from tiltyard_api.mlflow.calls import Call, find_call
from tiltyard_api.mlflow.places import read_place, read_query, write_place
from tiltyard_api.mlflow.refusal import Refusal

CREATE = find_call("POST", ["api", "2.0", "mlflow", "model-versions", "create"])


@pytest.mark.parametrize(
    "raw",
    [
        "../x", "a/../../etc/passwd", "a/./b", "a//b", "a/%2e%2e/b", "a/%2E./b", "a/%252e%252e/b", "a/%25252e%25252e/b",
        "a%2fb", "a%252fb", "a\\b", "a%5cb", "a%255c..%255cb", "a;b", "a%3bb", "a%00b", "a%2500b", "a%0ab", "a/%20../b",
        "%ff", "a/", "/a",
    ],
)  # fmt: skip
def test_a_path_that_could_be_read_as_another_is_refused_at_any_depth_of_decoding(raw: str) -> None:
    with pytest.raises(Refusal):
        read_place(raw)


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        ("", []),
        ("api/2.0/mlflow/runs/get", ["api", "2.0", "mlflow", "runs", "get"]),
        ("a/100%25.txt", ["a", "100%.txt"]),
        ("a/..hidden..", ["a", "..hidden.."]),
        ("%C3%BC%20x/y+z", ["ü x", "y+z"]),
    ],
)
def test_an_honest_path_is_read_and_written_in_one_spelling(raw: str, segments: list[str]) -> None:
    assert read_place(raw) == segments
    assert read_place(write_place(segments)) == segments


@pytest.mark.parametrize(
    "query",
    ["path=../../etc", "path=%2e%2e/x", "run_id=a&path=%252e%252e/x", "artifact_file_path=a\\b", "path=/etc/passwd",
     "artifact_directory_path=a//b", "path=a%00"],
)  # fmt: skip
def test_a_path_in_a_query_climbs_as_little(query: str) -> None:
    with pytest.raises(Refusal):
        read_query(query)


def test_an_honest_query_is_kept_field_by_field() -> None:
    asked = "run_id=a&path=model/data/&path=&filter=x%3D%271%27&max_results="
    assert read_query(asked) == [
        ("run_id", "a"), ("path", "model/data/"), ("path", ""), ("filter", "x='1'"), ("max_results", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "asked",
    [
        "GET api/3.0/mlflow/gateway/secrets/list", "POST api/3.0/mlflow/gateway/secrets/create", "POST api/2.0/mlflow/webhooks",
        "GET ajax-api/2.0/mlflow/gateway-proxy", "POST ajax-api/2.0/mlflow/upload-artifact",
        "POST ajax-api/3.0/mlflow/assistant/chat", "GET api/2.0/mlflow/users/list", "POST api/3.0/mlflow/workspaces",
        "GET api/3.0/mlflow/jobs/x", "POST api/3.0/mlflow/prompt-optimization/jobs", "POST api/3.0/mlflow/traces",
        "GET ajax-api/3.0/mlflow/get-trace-artifact", "GET api/2.0/mlflow-artifacts/presigned/x", "POST v1/traces",
        "POST api/2.0/mlflow/artifacts/presigned-upload-url", "POST api/2.0/mlflow-artifacts/mpu/create/x", "GET graphql",
        "DELETE api/2.0/mlflow/runs/get", "POST api/2.0/mlflow/runs/get", "GET signup", "GET api/2.0/mlflow", "POST version",
        "PATCH api/2.0/mlflow-artifacts/artifacts/x", "GET static-files", "GET metrics", "TRACE health",
    ],
)  # fmt: skip
def test_what_is_not_listed_does_not_exist(asked: str) -> None:
    method, _, path = asked.partition(" ")
    with pytest.raises(Refusal) as refused:
        find_call(method, read_place(path))
    assert refused.value.code == "ENDPOINT_NOT_FOUND"


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("GET ", "page"), ("GET static-files/static/js/main.js", "page"), ("HEAD version", "page"), ("POST graphql", "read"),
        ("GET get-artifact", "content"), ("GET model-versions/get-artifact", "content"),
        ("GET api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/x.html", "content"),
        ("GET ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files", "content"),
        ("POST ajax-api/2.0/mlflow/runs/search", "read"), ("POST api/2.0/mlflow/runs/log-batch", "write"),
        ("DELETE api/2.0/mlflow/logged-models/m-1/tags/colour", "write"), ("GET api/3.0/mlflow/server-info", "read"),
    ],
)  # fmt: skip
def test_what_is_listed_is_known_for_what_it_does(asked: str, kind: str) -> None:
    method, _, path = asked.partition(" ")
    assert find_call(method, read_place(path)).kind == kind


@pytest.mark.parametrize(
    "said",
    [
        {"source": "file:///etc"}, {"source": "/etc"}, {"source": "s3://bucket/x"}, {"source": "http://h/x"}, {},
        {"source": "runs://host/r/model"}, {"source": "mlflow-artifacts://host/x"}, {"source": "runs:/r/../x"},
        {"source": "runs:/r/%2e%2e/x"}, {"source": "models:/m/1?x=1"}, {"source": "FILE:/x"}, {"Source": "runs:/r/m"},
        {"source": "runs:/r/m", "run_link": "javascript:alert(1)"}, {"source": "runs:/r/m", "runUri": "file:/x"},
        {"source": "runs:/r/m", "run_uri": "runs:/r"}, {"source": " runs:/r/m"}, {"source": "runs:/r/m\n"},
        {"source": "mod\tels:/n/1"}, {"source": "Models:/n/1"}, {"source": "RUNS:/r/m"}, {"source": "\x01models:/n/1"},
        {"source": "runs:/r/m", "run_link": "http://["}, {"source": "models://[/m"}, {"source": "runs:r/m"}, {"source": "runs:"}, {"source": "models:/n\r/1"}, {"source": ["runs:/r/m"]},
    ],
)  # fmt: skip
def test_a_model_version_comes_from_this_testbed_or_not_at_all(said: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        check_body(CREATE, said)


@pytest.mark.parametrize(
    "source", ["runs:/r/model", "models:/m-1", "models:/name/3", "mlflow-artifacts:/1/r/artifacts/m"]
)
def test_a_model_version_of_a_run_is_taken(source: str) -> None:
    check_body(CREATE, {"name": "n", "source": source, "run_id": "r"})


@pytest.mark.parametrize(
    "body", [{"artifact_location": "s3://b"}, {"artifactLocation": "file:/x"}, {"a_path": "../x"}]
)
def test_nobody_chooses_where_artifacts_are_kept(body: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        check_body(Call(name="POST experiments/create", kind="write"), {"name": "n"} | body)


@pytest.mark.parametrize("content", [b"[]", b'"{}"', b"{", b"[" * 100_000, b"\xff"])
def test_a_body_is_an_object(content: bytes) -> None:
    with pytest.raises(Refusal):
        read_body(content)


@pytest.mark.parametrize(
    "asked", ["PATCH logged-models/m-1", "PATCH logged-models/m-1/tags", "POST logged-models/m-1/params"]
)
def test_the_logged_model_that_an_address_names_is_the_one_that_the_body_means(asked: str) -> None:
    method, _, path = asked.partition(" ")
    call = find_call(method, read_place(f"api/2.0/mlflow/{path}"))
    for other in ("m-2", "", 0, ["m-1"]):
        with pytest.raises(Refusal):
            check_body(call, {"model_id": other})
    for same in ({"model_id": "m-1"}, {}):
        check_body(call, same)


def encoded(times: int) -> str:
    """`%`, encoded so often."""
    return "%" + "25" * times


def test_a_path_is_decoded_a_few_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def count(text: str, **how: Any) -> str:
        decoded.append(text)
        return unquote(text, **how)

    monkeypatch.setattr(places, "unquote", count)
    read_place(f"a/{encoded(3)}")
    for deep in (encoded(20), f"x/{encoded(300)}"):
        decoded.clear()
        with pytest.raises(Refusal, match="times over"):
            read_place(deep)
        with pytest.raises(Refusal, match="times over"):
            check_body(CREATE, {"some_path": deep})
        assert len(decoded) < 20, "reading it takes no longer, however deep it is"


@pytest.mark.parametrize("path", ["a" * 1_025, "ü" * 513, "/".join(["a" * 1_000] * 5), encoded(32_000)])
def test_a_path_without_end_is_refused_before_it_is_decoded(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "unquote", None)
    with pytest.raises(Refusal, match="too long"):
        places.check_path("path", path)
    if path.isascii():
        with pytest.raises(Refusal, match="too long"):
            read_place(path)


def nested(depth: int) -> dict[str, Any]:
    """An object with a path so deep within."""
    inner: Any = {"path": "../x"}
    for _ in range(depth):
        inner = [inner]
    return {"a": inner}


def test_a_body_is_searched_to_its_end_and_refused_when_that_is_deep() -> None:
    with pytest.raises(Refusal, match="not a path"):
        check_body(CREATE, nested(17))
    with pytest.raises(Refusal, match="nested"):
        check_body(CREATE, nested(25))
    with pytest.raises(Refusal, match="nested"):
        check_body(CREATE, nested(5_000))


LOG_MODEL = find_call("POST", ["api", "2.0", "mlflow", "runs", "log-model"])
MODEL = {
    "run_id": "r", "artifact_path": "model", "utc_time_created": "2026-01-01", "flavors": {"sklearn": {"path": "/m.pkl"}},
    "model_uuid": "u",
}  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [{"resources": "/etc/passwd"}, {"signature": {"inputs": "["}}, {"auth_policy": {}, "get_tags_dict": 1, "_metadata": 2}],
)  # fmt: skip
def test_of_a_models_description_mlflow_sees_what_it_keeps_and_no_path_that_it_would_open(
    more: dict[str, Any],
) -> None:
    body = {"run_id": "r", "model_json": json.dumps(MODEL | more)}
    check_body(LOG_MODEL, body)
    assert json.loads(body["model_json"]) == MODEL


@pytest.mark.parametrize(
    "said",
    [
        MODEL | {"run_id": "another"}, MODEL | {"run_id": None}, MODEL | {"flavors": ["x"]}, MODEL | {"flavors": nested(30)},
        MODEL | {"model_uuid": 5}, {"run_id": "r"}, [], "/etc/passwd", None,
    ],
)  # fmt: skip
def test_a_models_description_that_is_none_or_of_another_run_is_refused(said: Any) -> None:
    with pytest.raises(Refusal):
        check_body(LOG_MODEL, {"run_id": "r", "model_json": json.dumps(said)})


def test_mlflow_reads_what_is_left_of_a_models_description() -> None:
    whole = Model(artifact_path="model", run_id="r", flavors={"sklearn": {"version": "1", "config": 1}})
    whole.resources = [DatabricksServingEndpoint("x")]
    body = {"run_id": "r", "model_json": json.dumps(whole.to_dict())}
    check_body(LOG_MODEL, body)
    assert Model.from_dict(json.loads(body["model_json"])).get_tags_dict() == whole.get_tags_dict()
