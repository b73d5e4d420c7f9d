"""What a shelf keeps of the files that a job asks for, and when it has had enough."""

from pathlib import Path
from typing import IO, Any, cast

import pytest

from tiltyard.wire import Claim
from tiltyard_workers.gateway import Gateway
from tiltyard_workers.supervisor import gather
from tiltyard_workers.supervisor.gather import LeftOut, Shelf


class Stores:
    """Takes files as the gateway does."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, bytes]] = []

    def put_artifact(self, _claim: Claim, name: str, content: IO[bytes], **_: Any) -> None:
        content.seek(0)
        self.stored.append((name, content.read()))


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def shelf(stores: Stores) -> Shelf:
    return Shelf(cast("Gateway", stores), cast("Claim", None), lambda _seconds: None)


def test_a_file_that_changes_again_and_again_is_not_stored_without_end(
    shelf: Shelf, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_STORED", 3)
    for number in range(3):
        (tmp_path / "x").write_text(str(number))
        shelf.keep("x", tmp_path, "x")
    (tmp_path / "x").write_text("one more")
    with pytest.raises(LeftOut, match="at most"):
        shelf.keep("x", tmp_path, "x")
    assert shelf.is_full
    assert [content for _, content in stores.stored] == [b"0", b"1", b"2"]


def test_a_full_shelf_still_takes_what_a_file_of_it_has_become(
    shelf: Shelf, stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_FILES", 1)
    (tmp_path / "x").write_text("before")
    shelf.keep("x", tmp_path, "x")
    (tmp_path / "x").write_text("after")
    shelf.keep("x", tmp_path, "x")
    assert shelf.is_full
    with pytest.raises(LeftOut):
        shelf.keep("y", tmp_path, "x")
    assert stores.stored == [("x", b"before"), ("x", b"after")]
