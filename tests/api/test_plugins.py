"""Plugins over REST: a push, its check, the pointer, and what is refused with which words."""

import asyncio
import io
import tarfile
from collections.abc import Awaitable, Callable

import pytest

from tests.api.conftest import Gateway, Start, packed
from tests.api.plugins import a_plugin, asks, look, push, send
from tiltyard.wire import Claim, Job
from tiltyard_api.plugins.checks import CHECK_ARCHIVE, CHECK_BYTES

Until = Callable[..., Awaitable[None]]


async def test_a_pushed_version_is_loaded_by_a_job_and_then_is_current(gateway: Gateway) -> None:
    answer = await send(gateway, a_plugin())
    assert answer.status_code == 201
    pushed = answer.json()
    assert (pushed["state"], pushed["current"]) == ("checking", False)
    check = Job.model_validate((await gateway.user.get(f"/jobs/{pushed['check']}")).json())
    assert (check.experiment, check.timeout, check.queue) == ("plugin-checks", 60, "cpu")
    claim: Claim = await gateway.claim(check.id)
    assert claim.command == "python -m tiltyard.plugins.check mine"
    assert [(pin.name, pin.version, pin.sha256) for pin in claim.plugins] == [("mine", "1", pushed["sha256"])]
    waiting = asyncio.create_task(look(gateway, "mine", "1", wait=60))
    await gateway.finish(claim)
    ready = await asyncio.wait_for(waiting, 30)
    assert (ready.state, ready.current, ready.problem) == ("ready", True, None)
    assert [(task.name, task.path, task.tags) for task in ready.tasks] == [
        ("fgm", "mine.attacks.fgm", ["evasion"])
    ]
    assert (await gateway.user.get("/plugins/mine")).json()["current"] == "1"


async def test_the_bytes_that_a_worker_gets_are_those_of_the_digest(gateway: Gateway) -> None:
    found = await push(gateway)
    got = await gateway.worker.get("/plugins/mine/versions/1/content")
    assert (len(got.content), got.headers["ETag"]) == (found.size, f'"{found.sha256}"')
    with tarfile.open(fileobj=io.BytesIO(got.content)) as tar:
        assert tar.getnames() == ["mine/attacks.py", "plugin.toml"]
    archive = await gateway.worker.get(f"/archives/{CHECK_ARCHIVE.sha256}/content")
    assert archive.content == CHECK_BYTES


async def test_a_version_that_does_not_load_never_becomes_current_and_shows_its_traceback(
    gateway: Gateway,
) -> None:
    await push(gateway)
    bad = await push(gateway, ready=False, version="2")
    assert bad.check is not None
    claim = await gateway.claim(bad.check)
    text = "Traceback (most recent call last):\nZeroDivisionError: division by zero\n"
    said = {"at": "2026-01-31T12:00:00Z", "kind": "log", "data": {"stream": "stderr", "text": text}}
    await gateway.report(claim, said)
    await gateway.finish(claim, state="failed", reason="exit_code", exit_code=1, message="It exited with 1.")
    refused = await look(gateway, "mine", "2", wait=10)
    assert (refused.state, refused.problem) == ("refused", text.strip())
    assert (await look(gateway, "mine", "1")).current
    answer = await gateway.user.post("/plugins/mine/versions/2/activate")
    assert (answer.status_code, answer.json()["code"]) == (409, "plugin_not_ready")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ({"state": "failed", "reason": "timed_out", "message": "It ran into its time-out of 60 s."}, "60 s"),
        ({"state": "cancelled", "reason": "cancel_requested"}, "was cancelled. Push it again"),
    ],
)
async def test_what_ended_a_check_is_said_and_it_may_be_pushed_again(
    gateway: Gateway, end: dict[str, str], words: str
) -> None:
    pushed = await push(gateway, ready=False)
    assert pushed.check is not None
    await gateway.finish(await gateway.claim(pushed.check), **end)
    refused = await look(gateway, "mine", "1", wait=10)
    assert words in str(refused.problem)
    again = await send(gateway, a_plugin())
    assert (again.status_code, again.json()["state"]) == (200, "checking")
    assert again.json()["check"] != pushed.check
    better = await send(gateway, a_plugin(mine__more="no code"))
    assert (better.status_code, better.json()["code"]) == (409, "version_exists")


async def test_the_keeper_settles_a_check_that_nobody_waits_for(gateway: Gateway, until: Until) -> None:
    pushed = await push(gateway, ready=False)
    assert pushed.check is not None
    await gateway.finish(await gateway.claim(pushed.check))

    async def ready() -> bool:
        return (await look(gateway, "mine", "1")).state == "ready"

    await until(ready)


async def test_the_same_files_again_are_the_same_version_and_others_are_refused(gateway: Gateway) -> None:
    first = await push(gateway)
    again = await send(gateway, a_plugin())
    assert (again.status_code, again.json()["sha256"]) == (200, first.sha256)
    other = await send(gateway, a_plugin(mine__more="other"))
    assert (other.status_code, other.json()["code"]) == (409, "version_exists")
    assert (await look(gateway, "mine", "1")).sha256 == first.sha256


async def test_two_pushes_of_one_version_at_once_are_one_version(gateway: Gateway) -> None:
    same = await asyncio.gather(*(send(gateway, a_plugin()) for _ in range(6)))
    assert sorted(answer.status_code for answer in same) == [200] * 5 + [201]
    assert len({answer.json()["check"] for answer in same}) == 1
    others = await asyncio.gather(*(send(gateway, a_plugin("yours", yours__mark=str(n))) for n in range(6)))
    assert sorted(answer.status_code for answer in others) == [201] + [409] * 5


LINK = io.BytesIO()
with tarfile.open(fileobj=LINK, mode="w") as archive:
    member = tarfile.TarInfo("mine/secret.py")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive.addfile(member)
TWICE = "from tiltyard import task\n@task\ndef f(): pass\n@task(name='f')\ndef g(): pass\n"
UNKNOWN = "from tiltyard import task\n@task\ndef f(x: Nonsense) -> int: return 1\n"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (packed(readme="hello"), "no_package"),
        (b"not an archive at all", "unknown_format"),
        (a_plugin(source="def broken(:\n"), "not_python"),
        (a_plugin("numpy"), "shadows_library"),
        (a_plugin("json"), "shadows_library"),
        (a_plugin("tiltyard_plugins"), "shadows_library"),
        (a_plugin(source=TWICE), None),
        (a_plugin(source=UNKNOWN), "unknown_type"),
        (LINK.getvalue(), "link"),
        (a_plugin(version="no/version"), None),
        (a_plugin(source="x = 1\n"), "no_tasks"),
    ],
)
async def test_what_is_no_plugin_is_refused_and_leaves_nothing(
    gateway: Gateway, body: bytes, code: str | None
) -> None:
    answer = await send(gateway, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    if code is not None:
        assert code in {one["code"] for one in answer.json()["errors"]}
    listed = (await gateway.user.get("/plugins")).json()["items"]
    assert {one["name"] for one in listed} <= {"tiltyard_plugins"}


async def test_a_library_that_a_worker_reports_is_not_shadowed(gateway: Gateway) -> None:
    await beat(gateway, modules=["rarelib"])
    answer = await send(gateway, a_plugin("rarelib"))
    assert answer.json()["errors"][0]["code"] == "shadows_library"


async def test_a_queue_that_is_not_there_is_told(gateway: Gateway) -> None:
    answer = await send(gateway, a_plugin(), queue="cpuu")
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_queue")


async def test_the_pointer_moves_back_and_on_with_the_next_push(gateway: Gateway) -> None:
    for version in ("1", "2"):
        await push(gateway, version=version)
    moved = await gateway.user.post("/plugins/mine/versions/1/activate")
    assert moved.json()["current"] is True
    assert not (await look(gateway, "mine", "2")).current
    await push(gateway, version="3")
    assert (await look(gateway, "mine", "3")).current


async def test_an_older_push_that_loads_later_does_not_become_current(gateway: Gateway) -> None:
    one, two = [await push(gateway, version=version, ready=False) for version in ("1", "2")]
    claims = {check: await gateway.claim(str(check)) for check in (one.check, two.check)}
    for version in (two, one):
        await gateway.finish(claims[version.check])
        await look(gateway, "mine", version.version, wait=10)
    assert (await gateway.user.get("/plugins/mine")).json()["current"] == "2"


async def test_versions_are_listed_newest_first_page_by_page(gateway: Gateway) -> None:
    for version in ("1", "10", "2"):
        await push(gateway, version=version)
    first = (await gateway.user.get("/plugins/mine/versions", params={"limit": 2})).json()
    rest = (await gateway.user.get("/plugins/mine/versions", params={"cursor": first["next"]})).json()
    assert [one["version"] for one in first["items"] + rest["items"]] == ["2", "10", "1"]
    assert rest["next"] is None
    nobody = await gateway.user.get("/plugins/nobody/versions")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "no_such_plugin")


async def test_a_change_builds_on_what_was_seen(gateway: Gateway) -> None:
    await push(gateway)
    seen = await gateway.user.get("/plugins/mine/versions/1")
    asked = {"deprecated": "use 2"}
    headers = {"If-Match": seen.headers["ETag"]}
    changed = await gateway.user.patch("/plugins/mine/versions/1", json=asked, headers=headers)
    assert changed.json()["deprecated"] == "use 2"
    late = await gateway.user.patch("/plugins/mine/versions/1", json={"deprecated": None}, headers=headers)
    assert late.status_code == 412
    kept = await gateway.user.patch("/plugins/mine/versions/1", json={})
    assert kept.json()["deprecated"] == "use 2"
    back = await gateway.user.patch("/plugins/mine/versions/1", json={"deprecated": None})
    assert back.json()["deprecated"] is None


async def test_what_a_job_needs_is_not_deleted_until_it_has_ended(gateway: Gateway, until: Until) -> None:
    found = await push(gateway)
    job = Job.model_validate((await asks(gateway, plugins=["mine"])).json())
    for path in ("/plugins/mine/versions/1", "/plugins/mine"):
        answer = await gateway.user.delete(path)
        assert (answer.status_code, answer.json()["code"]) == (409, "plugin_in_use")
        assert job.id in answer.json()["detail"]
    await gateway.user.post(f"/jobs/{job.id}/cancel")
    assert (await gateway.user.delete("/plugins/mine/versions/1")).status_code == 204
    assert (await gateway.user.get("/plugins/mine")).status_code == 404

    async def forgotten() -> bool:
        return await gateway.parts.store.size(f"plugins/{found.sha256}") is None

    await until(forgotten)


async def test_without_its_current_version_a_plugin_has_the_newest_of_the_others(gateway: Gateway) -> None:
    for version in ("1", "2", "3"):
        await push(gateway, version=version)
    await gateway.user.delete("/plugins/mine/versions/3")
    assert (await gateway.user.get("/plugins/mine")).json()["current"] == "2"


async def test_the_collection_is_pushed_at_the_start_and_a_choice_of_it_stays(start_gateway: Start) -> None:
    async with start_gateway() as gateway:
        found = (await gateway.user.get("/plugins/tiltyard_plugins")).json()
        assert found["tasks"] > 20
        assert (await look(gateway, "tiltyard_plugins", found["current"])).state == "ready"
    async with start_gateway() as again:
        now = (await again.user.get("/plugins/tiltyard_plugins")).json()
        assert (now["current"], now["versions"]) == (found["current"], 1)


async def beat(gateway: Gateway, **changes: object) -> None:
    asked = {
        "host": "h", "queue": "cpu", "state": "idle", "incarnation": "one", "packages": {}, "modules": [],
    }  # fmt: skip
    answer = await gateway.worker.put("/workers/w1", json=asked | changes)
    assert answer.is_success, answer.text
