"""How `-P` of a sweep is read."""

from typing import Any

import pytest
import typer

from tiltyard.cli.axes import read_axes, read_values
from tiltyard.wire import Axis


def as_axis(text: str) -> dict[str, Any]:
    found = read_values("p", text)
    assert isinstance(found, Axis)
    return found.model_dump(mode="json", exclude_none=True, exclude={"parameter"})


@pytest.mark.parametrize(
    "text",
    ["0.1", "fgm", "artifact:3f2a9c0d5b7e4a1f8c66/model.pkl", "model:net@best", "model:net/3", "http://x:80/a", "[1, 2]",
     "", "1:x:3", "0:1:2.5", "0:1:2:3"],
)  # fmt: skip
def test_one_value_stays_what_it_is(text: str) -> None:
    assert read_values("p", text) == text


def test_commas_make_a_list_and_quotes_keep_them_together() -> None:
    assert as_axis("fgm,pgd") == {"values": ["fgm", "pgd"]}
    assert as_axis("0.1, 0.2") == {"values": ["0.1", "0.2"]}
    assert as_axis('"a,b",c,"say ""x"""') == {"values": ["a,b", "c", 'say "x"']}
    assert as_axis("0.1,") == {"values": ["0.1"]}
    assert read_values("p", '"a,b"') == "a,b"
    assert read_values("p", '"0:1:3"') == "0:1:3"


def test_colons_make_a_range() -> None:
    assert as_axis("0:0.3:7") == {"from": 0, "to": 0.3, "count": 7}
    assert as_axis("log:1e-4:1:5") == {"from": 1e-4, "to": 1, "count": 5, "scale": "log"}
    assert as_axis("-1:.5") == {"from": -1, "to": 0.5}


def test_what_has_one_value_is_no_axis() -> None:
    found = read_axes(["eps=0:1:3", "attack=fgm"], {"note": "a,b"})
    assert [axis.parameter for axis in found.axes] == ["eps"]
    assert found.fixed == {"note": "a,b", "attack": "fgm"}


@pytest.mark.parametrize("given", ["eps", "=1", 'eps="a', "eps=1,2"])
def test_what_cannot_be_read_or_is_given_twice_is_refused(given: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_axes([given], {"eps": "1"} if given == "eps=1,2" else {})


@pytest.mark.parametrize(
    "given", ["eps=0:1:0", "eps=0:1:100001", "eps=0:1e400:5", f"{'a' * 301}=1,2", f"{'a' * 301}=0:1:2"]
)
def test_what_can_be_no_axis_is_told_in_words(given: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no axis of"):
        read_axes([given], {})
