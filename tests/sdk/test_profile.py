"""Where a testbed is known from, and what is never given away."""

from pathlib import Path

import pytest

from tiltyard.profile import (
    NoTestbed,
    Profile,
    forget_profile,
    load_profile,
    load_worker,
    profile_path,
    save_profile,
    save_worker,
    worker_path,
)

HERE = Profile(url="http://127.0.0.1:8420", token="ty_here")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path)}


def test_what_is_saved_is_loaded_and_is_its_owners_alone(environment: dict[str, str]) -> None:
    path = save_profile(HERE, profile_path(environment))
    assert load_profile(environment) == HERE
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in path.parent.iterdir()] == ["profile.json"]


def test_the_environment_goes_before_the_profile(environment: dict[str, str]) -> None:
    save_profile(HERE, profile_path(environment))
    there = {"TILTYARD_URL": "https://there/", "TILTYARD_TOKEN": "ty_there"}
    assert load_profile(environment | there) == Profile(url="https://there", token="ty_there")
    assert load_profile(environment | {"TILTYARD_TOKEN": "ty_other"}).token == "ty_other"


def test_the_profiles_token_goes_to_the_profiles_testbed_alone(environment: dict[str, str]) -> None:
    save_profile(HERE, profile_path(environment))
    assert load_profile(environment | {"TILTYARD_URL": HERE.url + "/"}) == HERE
    with pytest.raises(NoTestbed, match="Set TILTYARD_TOKEN too"):
        load_profile(environment | {"TILTYARD_URL": "https://elsewhere"})


def test_nothing_known_says_what_to_do(environment: dict[str, str]) -> None:
    with pytest.raises(NoTestbed, match="`tiltyard up`, or set TILTYARD_URL and TILTYARD_TOKEN"):
        load_profile(environment)
    with pytest.raises(NoTestbed, match="Set TILTYARD_TOKEN too"):
        load_profile(environment | {"TILTYARD_URL": "https://there"})


def test_a_damaged_profile_is_said_to_be_one(environment: dict[str, str]) -> None:
    path = save_profile(HERE, profile_path(environment))
    path.write_text("{")
    with pytest.raises(NoTestbed, match=r"profile\.json cannot be read"):
        load_profile(environment)


def test_only_its_own_testbed_forgets_a_profile(environment: dict[str, str]) -> None:
    path = save_profile(HERE, profile_path(environment))
    forget_profile("http://127.0.0.1:1", path)
    assert path.exists()
    forget_profile(HERE.url, path)
    forget_profile(HERE.url, path)
    assert not path.exists()


def test_a_token_goes_to_no_address_but_its_own(environment: dict[str, str]) -> None:
    there = environment | {"TILTYARD_URL": "https://there", "TILTYARD_TOKEN": "ty_there"}
    assert load_profile(there, url="https://there/").token == "ty_there"
    assert load_profile(there, url="https://elsewhere", token="ty_given").token == "ty_given"
    with pytest.raises(NoTestbed):
        load_profile(there, url="https://elsewhere")
    assert load_profile(environment | {"TILTYARD_TOKEN": "ty_bare"}, url="https://there").token == "ty_bare"


def test_what_a_worker_beside_the_testbed_needs_is_kept_beside_the_profile(
    environment: dict[str, str],
) -> None:
    path = worker_path(environment)
    assert load_worker(path) == {}
    assert save_worker({"TILTYARD_URL": HERE.url}, path).stat().st_mode & 0o777 == 0o600
    assert load_worker(path) == {"TILTYARD_URL": HERE.url}
    path.write_text("[1")
    assert load_worker(path) == {}
