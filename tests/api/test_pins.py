"""Which versions of plugins a job gets, over REST: named by whom, kept by whom, refused and warned of with which words."""

import asyncio
from typing import Any

from tests.api.conftest import Gateway, packed
from tests.api.plugins import TASK, a_plugin, asks, codes, project, push, send
from tests.api.test_plugins import beat
from tiltyard.wire import Claim, Job

USES = {"main.py": 'import tiltyard\ntiltyard.plugin("mine.attacks.fgm")\ntiltyard.plugin("nobody.x.y")\n'}
GRAPH = """
plugins: [mine]
parameters:
  eps: {type: float, default: 0.1}
graph:
  attack:
    fgm: {images: [0.1, 0.2], eps: $eps}
"""


def pins(job: Any) -> dict[str, str]:
    return {pin["name"]: pin["version"] for pin in job["plugins"]}


async def submitted(gateway: Gateway, **changes: Any) -> dict[str, Any]:
    answer = await asks(gateway, **changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_job_keeps_the_version_that_was_current_when_it_was_submitted(gateway: Gateway) -> None:
    first = await push(gateway)
    job = await submitted(gateway, plugins=["mine"])
    await push(gateway, version="2")
    claim: Claim = await gateway.claim(job["id"])
    assert [(pin.version, pin.sha256) for pin in claim.plugins] == [("1", first.sha256)]
    assert pins((await gateway.user.get(f"/jobs/{job['id']}")).json()) == {"mine": "1"}
    assert pins(await submitted(gateway, plugins=["mine"])) == {"mine": "2"}
    assert pins(await submitted(gateway, plugins=["mine==1"])) == {"mine": "1"}


async def test_what_the_project_and_its_scripts_name_is_pinned_and_the_submission_goes_before(
    gateway: Gateway,
) -> None:
    for version in ("1", "2"):
        await push(gateway, version=version)
    await push(gateway, name="yours")
    archive = await project(
        gateway, "plugins: [yours]\nentry_points: {main: {command: python x, plugins: [mine==1]}}"
    )
    assert pins(await submitted(gateway, archive=archive)) == {"mine": "1", "yours": "1"}
    assert pins(await submitted(gateway, archive=archive, plugins=["mine==2"])) == {"mine": "2", "yours": "1"}
    script = await project(gateway, **USES)
    stored = (await gateway.user.get(f"/archives/{script}")).json()
    assert stored["uses"] == ["mine", "nobody"]
    job = await submitted(gateway, archive=script)
    assert pins(job) == {"mine": "2"}
    assert [one for one in job["warnings"] if "nobody" in one]


async def test_all_that_is_wrong_with_the_plugins_is_in_one_answer(gateway: Gateway) -> None:
    await push(gateway)
    await push(gateway, name="slow", ready=False)
    asked = ["mien", "mine==9", "slow", "slow==1", "mine-3", "yours==1", "yours==2"]
    for path in ("/jobs", "/jobs:validate"):
        answer = await asks(gateway, path, plugins=asked, parameters={"no": 1})
        assert sorted(codes(answer)) == [
            ("/parameters/no", "unknown_parameter"),
            ("/plugins/0", "unknown_plugin"),
            ("/plugins/1", "unknown_version"),
            ("/plugins/2", "plugin_not_ready"),
            ("/plugins/4", "malformed_plugin"),
            ("/plugins/5", "unknown_plugin"),
            ("/plugins/6", "conflicting_versions"),
        ]
        told = {one["pointer"]: one["detail"] for one in answer.json()["errors"]}
        assert "did you mean 'mine'" in told["/plugins/0"]
        assert "tiltyard plugin show slow 1" in told["/plugins/2"]


async def test_a_deprecated_version_is_given_with_a_warning(gateway: Gateway) -> None:
    await push(gateway)
    await gateway.user.patch("/plugins/mine/versions/1", json={"deprecated": "use yours"})
    job = await submitted(gateway, plugins=["mine"])
    assert job["warnings"] == ["version 1 of the plugin mine is deprecated: use yours"]
    checked = (await asks(gateway, "/jobs:validate", plugins=["mine"])).json()
    assert (job["warnings"][0] in checked["warnings"], pins(checked)) == (True, {"mine": "1"})


async def test_a_retry_keeps_the_versions_and_a_clone_takes_the_current_ones(gateway: Gateway) -> None:
    await push(gateway)
    job = await submitted(gateway, plugins=["mine"])
    await gateway.finish(await gateway.claim(job["id"]), state="failed", reason="exit_code")
    await push(gateway, version="2")
    path = f"/jobs/{job['id']}"
    assert pins((await gateway.user.post(f"{path}/retry")).json()) == {"mine": "1"}
    for changes, version in (
        ({}, "2"),
        ({"plugins": ["mine==1"]}, "1"),
        ({"same_plugins": True}, "1"),
    ):
        cloned = await gateway.user.post(f"{path}/clone", json=changes)
        assert pins(cloned.json()) == {"mine": version}, cloned.text
    both = await gateway.user.post(f"{path}/clone", json={"same_plugins": True, "plugins": ["mine"]})
    assert codes(both) == [("/plugins", "same_plugins")]


async def test_a_retry_gets_the_very_files_or_is_refused(gateway: Gateway) -> None:
    await push(gateway)
    job = await submitted(gateway, plugins=["mine"])
    await gateway.finish(await gateway.claim(job["id"]), state="failed", reason="exit_code")
    await gateway.user.delete("/plugins/mine")
    assert codes(await gateway.user.post(f"/jobs/{job['id']}/retry")) == [("/plugins/0", "unknown_plugin")]
    await push(gateway, mine__more="other files")
    assert codes(await gateway.user.post(f"/jobs/{job['id']}/retry")) == [("/plugins/0", "plugin_changed")]


async def test_requirements_are_held_against_what_the_workers_of_the_queue_have(gateway: Gateway) -> None:
    await push(gateway, requires=("torch>=2", "numpy"))
    job = await submitted(gateway, plugins=["mine"])
    assert any("whether it has torch>=2, numpy" in one for one in job["warnings"])
    await beat(gateway, packages={"Numpy": "2.3"}, modules=["numpy"])
    await gateway.worker.put(
        "/workers/w2",
        json={
            "host": "h", "queue": "pytorch", "state": "idle", "modules": ["numpy", "torch"],
            "packages": {"numpy": "2.3", "torch": "2.13.0+cpu"},
        },
    )  # fmt: skip
    answer = await asks(gateway, plugins=["mine"])
    assert codes(answer) == [("/queue", "not_in_image")]
    detail = answer.json()["errors"][0]["detail"]
    assert "lacks torch>=2" in detail
    assert detail.endswith("the queue pytorch has it")
    assert pins(await submitted(gateway, plugins=["mine"], queue="pytorch")) == {"mine": "1"}


async def test_what_a_worker_said_once_is_kept_until_it_says_else(gateway: Gateway) -> None:
    await push(gateway, requires=("torch",))
    await beat(gateway, packages={"torch": "2"}, modules=["torch"])
    await beat(gateway, packages=None, modules=None, state="busy")
    assert (await submitted(gateway, plugins=["mine"]))["warnings"] == []
    await beat(gateway, packages={}, modules=[], incarnation="two")
    assert codes(await asks(gateway, plugins=["mine"])) == [("/queue", "not_in_image")]


async def test_tasks_are_found_by_name_type_and_tag_and_say_where_they_load(gateway: Gateway) -> None:
    await push(gateway, source=f"import torch\n{TASK}")
    await beat(gateway, modules=["numpy"])
    asked = ({"search": "SIGN gradient"}, {"tag": "Evasion"}, {"type": "float"}, {})
    for one in asked:
        page = (await gateway.user.get("/tasks", params={"plugin": "mine"} | one)).json()
        assert [item["task"]["module"] for item in page["items"]] == ["mine.attacks"], one
    for one in ({"search": "nothing"}, {"tag": "defence"}, {"type": "table"}):
        assert (await gateway.user.get("/tasks", params={"plugin": "mine"} | one)).json()["items"] == []
    queues = {queue["queue"]: queue for queue in page["items"][0]["queues"]}
    assert (queues["cpu"]["available"], queues["pytorch"]["available"]) == (False, None)
    assert "the module torch" in queues["cpu"]["why"]


async def test_a_graph_runs_with_the_tasks_of_the_versions_that_it_gets(gateway: Gateway) -> None:
    await push(gateway)
    archive = await project(gateway, "entry_points: {main: {graph: attack.yaml}}", **{"attack.yaml": GRAPH})
    job = await submitted(gateway, archive=archive, parameters={"eps": "0.2"})
    assert pins(job) == {"mine": "1"} | {
        name: version for name, version in pins(job).items() if name == "tiltyard_plugins"
    }
    claim: Claim = await gateway.claim(job["id"])
    assert claim.command == "python -m tiltyard_workers.runner --entry-point=main attack.yaml eps='0.2'"
    assert claim.entry_point.graph is not None
    await push(gateway, version="2", source=TASK.replace("eps", "epsilon"))
    answer = await asks(gateway, archive=archive)
    assert answer.status_code == 422
    (problem,) = [one for one in answer.json()["errors"] if "eps" in one["detail"]]
    assert problem["line"] == 7
    assert problem["pointer"].startswith("/attack.yaml/graph/attack")


async def test_a_graph_saves_as_what_the_sdk_or_one_of_its_plugins_knows(gateway: Gateway) -> None:
    types = 'from tiltyard.artifact_types import artifact_type\n@artifact_type("wave")\nclass Wave: ...\n'
    pushed = await push(gateway, source=TASK + types)
    assert pushed.artifact_types == ["wave"]
    kept = "artifact_outputs:\n  a: {contents: $attack, task: {name: NAME}}\n"
    answers = {}
    for name in ("wave", "json", "waves"):
        files = {"attack.yaml": GRAPH + kept.replace("NAME", name)}
        archive = await project(gateway, "entry_points: {main: {graph: attack.yaml}}", **files)
        answers[name] = await asks(gateway, archive=archive)
    assert [answers[name].status_code for name in ("wave", "json")] == [201, 201]
    [problem] = answers["waves"].json()["errors"]
    assert (problem["code"], problem["line"]) == ("unknown_artifact_type", 9)
    assert "wave" in problem["detail"]


async def test_a_task_that_the_image_cannot_load_is_refused_with_the_queue_that_can(gateway: Gateway) -> None:
    await push(gateway, source=f"import torch\n{TASK}")
    await beat(gateway, modules=["numpy"])
    archive = await project(gateway, "entry_points: {main: {graph: attack.yaml}}", **{"attack.yaml": GRAPH})
    answer = await asks(gateway, archive=archive)
    assert codes(answer) == [("/queue", "not_in_image")]
    assert "the module torch" in answer.json()["errors"][0]["detail"]


async def test_a_graph_file_that_is_malformed_or_missing_is_told_at_the_upload(gateway: Gateway) -> None:
    mlproject = "entry_points: {main: {graph: attack.yaml}}"
    missing = await gateway.user.post("/archives", content=packed(MLproject=mlproject))
    assert codes(missing) == [("/MLproject/entry_points/main/graph", "missing_graph")]
    wrong = packed(**{"MLproject": mlproject, "attack.yaml": "graph:\n  a: [1\n"})
    answer = await gateway.user.post("/archives", content=wrong)
    assert answer.json()["errors"][0]["line"] is not None
    large = packed(**{"MLproject": mlproject, "attack.yaml": "#" * 70_000})
    assert codes(await gateway.user.post("/archives", content=large))[0][1] == "graph_too_large"


WRONG = """\
plugins: [mine, mien]
parameters:
  eps: {type: float, default: much}
graph:
  a: {fgm: {images: [0.1], epz: $eps}, retries: -1}
  b: {fmg: $a}
  c: {other.x.y: $nobody}
  d: {mine.attacks.fmg: $c.z}
"""


async def test_who_uploads_a_graph_that_is_wrong_is_told_at_once_what_a_submission_would_be_told(
    gateway: Gateway,
) -> None:
    await push(gateway)
    mlproject = "plugins: [yours]\nentry_points: {main: {graph: a.yaml, parameters: {b: flaot}, comand: x}}"
    answer = await gateway.user.post("/archives", content=packed(**{"MLproject": mlproject, "a.yaml": WRONG}))
    assert sorted(codes(answer)) == [
        ("/MLproject/entry_points/main/comand", "unknown_key"),
        ("/MLproject/entry_points/main/parameters/b/type", "unknown_type"),
        ("/MLproject/entry_points/main/plugins/0", "unknown_plugin"),
        ("/a.yaml/graph/a/fgm/epz", "surplus_argument"),
        ("/a.yaml/graph/a/retries", "bad_retries"),
        ("/a.yaml/graph/c/other.x.y", "unknown_plugin"),
        ("/a.yaml/graph/c/other.x.y/0", "unknown_reference"),
        ("/a.yaml/graph/d/mine.attacks.fmg", "unknown_task"),
        ("/a.yaml/parameters/eps/default", "mistyped_default"),
        ("/a.yaml/plugins/1", "unknown_plugin"),
    ]
    told = [one for one in answer.json()["errors"] if one["pointer"].startswith("/a.yaml")]
    assert all(one["line"] and one["column"] for one in told)
    assert "did you mean 'mine'" in next(
        one["detail"] for one in told if one["pointer"].endswith("/plugins/1")
    )


async def test_a_graph_in_form_is_stored_before_its_plugins_are_there_and_a_submission_is_told_all(
    gateway: Gateway,
) -> None:
    await push(gateway)
    text = WRONG.replace("much", "0.1").replace(", retries: -1", "")
    archive = await project(gateway, "entry_points: {main: {graph: a.yaml}}", **{"a.yaml": text})
    for path in ("/jobs", "/jobs:validate"):
        answer = await asks(gateway, path, archive=archive, plugins=["gone"], parameters={"eps": "much"})
        assert sorted(codes(answer)) == [
            ("/a.yaml/graph/a/fgm/epz", "surplus_argument"),
            ("/a.yaml/graph/c/other.x.y", "unknown_plugin"),
            ("/a.yaml/graph/c/other.x.y/0", "unknown_reference"),
            ("/a.yaml/graph/d/mine.attacks.fmg", "unknown_task"),
            ("/a.yaml/plugins/1", "unknown_plugin"),
            ("/parameters/eps", "mistyped_parameter"),
            ("/plugins/0", "unknown_plugin"),
        ]


async def test_fifty_updates_during_submits_give_every_job_one_whole_version(gateway: Gateway) -> None:
    digests: dict[str, str] = {}
    archive = await project(gateway)

    async def update() -> None:
        for number in range(50):
            pushed = (await send(gateway, a_plugin(version=str(number)))).json()
            digests[pushed["version"]] = pushed["sha256"]
            await gateway.finish(await gateway.claim(pushed["check"]))

    found = await push(gateway, version="first")
    digests[found.version] = found.sha256
    updating = asyncio.create_task(update())
    jobs = []
    while not updating.done():
        job = await submitted(gateway, archive=archive, plugins=["mine"], queue="pytorch")
        jobs.append(Job.model_validate(job))
    await updating
    assert len({pin.version for job in jobs for pin in job.plugins}) > 5
    for job in jobs:
        (pin,) = job.plugins
        assert digests[pin.version] == pin.sha256


async def test_a_delete_against_submits_leaves_no_job_without_its_version(gateway: Gateway) -> None:
    archive = await project(gateway)
    for number in range(6):
        await push(gateway, version=str(number))
        delete = gateway.user.delete(f"/plugins/mine/versions/{number}")
        asked = [asks(gateway, archive=archive, plugins=[f"mine=={number}"]) for _ in range(4)]
        deleted, *answers = await asyncio.gather(delete, *asked)
        made = [answer for answer in answers if answer.status_code == 201]
        assert {answer.status_code for answer in answers} <= {201, 422}
        assert deleted.status_code == (409 if made else 204)
        for answer in made:
            await gateway.user.post(f"/jobs/{answer.json()['id']}/cancel")


async def test_a_task_of_a_plugin_that_the_graph_does_not_name_is_pointed_to(gateway: Gateway) -> None:
    await push(gateway, source=TASK.replace("fgm", "nudge"))
    graph = "graph:\n  a: {nudge: {images: [0.1]}}\n"
    archive = await project(gateway, "entry_points: {main: {graph: a.yaml}}", **{"a.yaml": graph})
    answer = await asks(gateway, archive=archive)
    assert codes(answer) == [("/a.yaml/graph/a/nudge", "unknown_task")]
    detail = answer.json()["errors"][0]["detail"]
    assert "add 'mine' to its `plugins`, or write mine.attacks.nudge" in detail
