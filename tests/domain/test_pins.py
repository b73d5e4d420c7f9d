"""Which versions a job gets, decided from what is named and what is there."""

from tiltyard.wire import PluginPin, PluginState
from tiltyard_orchestrator.domain.pins import Candidate, Named, choose, kept, wishes

READY = PluginState.ready


def candidate(name: str, version: str = "1", **changes: object) -> Candidate:
    pin = PluginPin(name=name, version=version, sha256="a" * 64)
    return Candidate(**{"pin": pin, "state": READY, "deprecated": None, "requires": ()} | changes)  # type: ignore[arg-type]


def test_the_first_place_that_names_a_version_decides() -> None:
    found, problems = wishes(
        [
            Named(plugins=["mine"], pointer="/plugins"),
            Named(plugins=["mine==1", "yours == 2"], pointer="/entry"),
            Named(plugins=["mine==3"], pointer="/graph"),
            Named(plugins=["mine", "theirs"], pointer="/archive", needed=False),
        ]
    )
    assert problems == []
    assert {name: (wish.version, wish.needed) for name, wish in found.items()} == {
        "mine": ("1", True), "yours": ("2", True), "theirs": (None, False),
    }  # fmt: skip


def test_one_place_that_names_two_versions_is_wrong() -> None:
    _, problems = wishes([Named(plugins=["mine==1", "mine", "mine==1", "mine==2"], pointer="/plugins")])
    assert [(one.pointer, one.code) for one in problems] == [("/plugins/3", "conflicting_versions")]


def test_what_only_a_script_names_is_a_warning() -> None:
    found, _ = wishes([Named(plugins=["nobody"], pointer="/archive", needed=False)])
    chosen = choose(found, {}, {"somebody": {"1": READY}})
    assert (chosen.refused, chosen.candidates) == ({}, [])
    assert "there is no plugin" in chosen.warnings[0]


def test_other_files_under_a_kept_version_are_not_the_same() -> None:
    wanted = kept([PluginPin(name="mine", version="1", sha256="b" * 64)])
    chosen = choose(wanted, {"mine": candidate("mine")}, {})
    assert [one.code for one in chosen.refused.values()] == ["plugin_changed"]


def test_a_plugin_without_a_version_that_is_ready_says_how_its_newest_stands() -> None:
    found, _ = wishes([Named(plugins=["mine"], pointer="/plugins")])
    known = {"mine": {"2": PluginState.refused, "1": PluginState.checking}}
    (problem,) = choose(found, {}, known).refused.values()
    assert (problem.code, problem.pointer) == ("plugin_not_ready", "/plugins/0")
    assert "version 2 was refused" in problem.detail
