"""What a cell is known by: the same for what is the same, and another one for anything that matters."""

from typing import Any

import pytest

from tiltyard.wire import PluginPin
from tiltyard_orchestrator.domain.sweep.digest import cell_digest

MINE = PluginPin(name="mine", version="1.2", sha256="b" * 64)
OTHER = PluginPin(name="other", version="1", sha256="c" * 64)


def digest(**changes: Any) -> str:
    whole: dict[str, Any] = {
        "archive": "a" * 64,
        "entry_point": "main",
        "parameters": {"eps": 0.5, "steps": 10, "norms": [1, 2.5], "model": "model:net@best"},
        "inputs": {"model": "model:net/3"},
        "plugins": [MINE, OTHER],
    }
    return cell_digest(**whole | changes)


def test_a_digest_stays_what_it_is_from_release_to_release() -> None:
    assert digest() == "9472d11ce1fbe7e46ac7837492d5eceeb5140c2bea27aac55ade813da7459662"


@pytest.mark.parametrize(
    "same",
    [
        {"parameters": {"model": "model:net@best", "norms": [1.0, 2.5], "steps": 10.0, "eps": 0.5}},
        {"parameters": {"model": "model:net/3", "eps": 5e-1, "steps": 10, "norms": [1, 2.5]}},
        {"plugins": [OTHER, MINE]},
    ],
    ids=["order and spelling", "another name of the model", "order of plugins"],
)
def test_what_is_only_written_otherwise_has_the_same_digest(same: dict[str, Any]) -> None:
    assert digest(**same) == digest()


@pytest.mark.parametrize(
    "other",
    [
        {"archive": "d" * 64},
        {"entry_point": "attack"},
        {"parameters": {"eps": "0.5", "steps": 10, "norms": [1, 2.5]}},
        {"parameters": {"eps": 0.5, "steps": 10, "norms": [2.5, 1]}},
        {"parameters": {"eps": 0.5, "steps": True, "norms": [1, 2.5]}},
        {"inputs": {"model": "model:net/4"}},
        {"inputs": {}},
        {"plugins": [MINE]},
        {"plugins": [MINE, PluginPin(name="other", version="1", sha256="e" * 64)]},
    ],
)
def test_what_matters_makes_another_digest(other: dict[str, Any]) -> None:
    assert digest(**other) != digest()


def test_nought_has_no_sign() -> None:
    assert digest(parameters={"eps": -0.0}) == digest(parameters={"eps": 0})
