"""What a body may not say, whoever sends it: it points MLflow at no other place than its own artifacts.

A body is read whole, judged, and written anew, so that MLflow reads what was judged: no key twice, none under another spelling.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tiltyard_api.mlflow.calls import Call
from tiltyard_api.mlflow.places import check_path, read_place
from tiltyard_api.mlflow.refusal import wrong

Json = dict[str, Any]
DEEPEST = 20
"""How deep a body may be nested; MLflow's own messages have five levels."""
_KEY = re.compile(r"[a-z][a-z0-9_]*")
_PLACES = {"artifact_location", "artifact_uri", "artifact_root_uri", "run_uri", "storage_location"}
_SOURCE = re.compile(r"(runs|models|mlflow-artifacts):/[^\x00-\x1f\x7f]+$")
_MODEL = {"run_id": str, "artifact_path": str, "utc_time_created": str, "flavors": dict, "model_uuid": str}
_UNSERVED_QUERY = "mlflowListArtifacts"
"""It takes a path inside its text, where it is not looked for, and MLflow's own pages do not ask it."""


def read_body(content: bytes) -> Json:
    """The JSON object of a body; an empty one says nothing.

    Raises:
        Refusal: it is none.
    """
    try:
        said = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise wrong("the body is not JSON") from error
    if not isinstance(said, dict):
        raise wrong("the body is not a JSON object")
    return said


def check_body(call: Call, body: Json) -> None:
    """Refuse what points elsewhere; a model's description is replaced by what is known of it.

    Raises:
        Refusal: the body does.
    """
    if call.name == "POST graphql":
        _check_query(body)
        return
    for key in body:
        if not _KEY.fullmatch(key):
            raise wrong(
                f"{key[:100]!r} is no field of this call: fields are spelled in small letters, like_this"
            )
    if "logged-models/{}" in call.name and body.get("model_id") not in (None, call.keys[0]):
        raise wrong("the 'model_id' of the body is another than the address's: MLflow would change that one")
    for key, value in _fields(body):
        check_path(key, value)
        if key in _PLACES and value:
            raise wrong(
                f"{key!r} cannot be chosen here: all artifacts are kept by this testbed's MLflow. Leave it out"
            )
    if call.name == "POST model-versions/create":
        _check_source(body)
    if call.name == "POST runs/log-model":
        body["model_json"] = _plain_model(body)


def _check_query(body: Json) -> None:
    if _UNSERVED_QUERY in str(body.get("query")):
        raise wrong(f"{_UNSERVED_QUERY} is not served here: ask artifacts/list")


def _fields(said: object) -> Iterator[tuple[str, object]]:
    left = [(said, 0)]
    while left:
        value, depth = left.pop()
        if depth > DEEPEST:
            raise wrong(f"the body is nested more than {DEEPEST} deep")
        match value:
            case dict():
                yield from ((str(key), inner) for key, inner in value.items())
                left += [(inner, depth + 1) for inner in value.values() if isinstance(inner, dict | list)]
            case list():
                left += [(inner, depth + 1) for inner in value if isinstance(inner, dict | list)]


def _plain_model(body: Json) -> str:
    """What MLflow keeps of a model's description and nothing else: MLflow opens files that some of the rest names."""
    try:
        said = read_body(str(body.get("model_json")).encode())
    except UnicodeEncodeError as error:
        raise wrong("'model_json' is not UTF-8") from error
    deque(_fields(said), maxlen=0)  # refuses what is nested deeply
    model = {key: said[key] for key in _MODEL if said.get(key) is not None}
    for key, value in model.items():
        if not isinstance(value, _MODEL[key]):
            raise wrong(f"'model_json': {key!r} is no {_MODEL[key].__name__}")
    if missing := set(_MODEL) - {"model_uuid"} - set(model):
        raise wrong(f"'model_json' does not say {sorted(missing)}")
    if model["run_id"] != body.get("run_id"):
        raise wrong("'model_json' is of another run than 'run_id'")
    return json.dumps(model)


def _check_source(body: Json) -> None:
    source, link = body.get("source"), body.get("run_link")
    if link and _split(link).scheme not in {"http", "https"}:
        raise wrong("'run_link' is an http or https address, or is left out")
    parts = _split(source)
    # One spelling, so that nobody reads another scheme or another run in it.
    plain = isinstance(source, str) and source == source.strip() and _SOURCE.match(source)
    if not plain or parts.netloc or parts.query or parts.fragment:
        raise wrong(
            f"a model version's source is runs:/RUN/PATH, models:/… or mlflow-artifacts:/…, not {str(source)[:200]!r}"
        )
    read_place(parts.path.strip("/"))


def _split(said: object) -> SplitResult:
    try:
        return urlsplit(str(said))
    except ValueError as error:  # a bracket that is not closed
        raise wrong(f"{str(said)[:200]!r} is no address") from error
