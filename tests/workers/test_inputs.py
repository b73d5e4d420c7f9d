"""What a job needs of others, put where its command finds it, and nowhere else."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tiltyard.archive.content import packed_content_digest
from tiltyard.wire import InputFile, InputKind
from tiltyard_workers.supervisor.inputs import InputMissing, put_inputs
from tiltyard_workers.supervisor.scratch import Damaged, fetch

PLACE = ".tiltyard/inputs/model"


def packed(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def a_file(**changes: object) -> InputFile:
    given = {"parameter": "model", "job": "abc", "path": "net", "sha256": "0" * 64, "place": f"{PLACE}/net"}
    return InputFile.model_validate(given | changes)


def a_model(**changes: object) -> InputFile:
    given = {
        "kind": InputKind.model,
        "model": "digits",
        "version": "3",
        "place": f"{PLACE}/model",
        "folder": True,
    }
    return a_file(**given | changes)


def finding(path: Path) -> Callable[[InputFile, str], Path]:
    return lambda _one, _digest: path


def test_a_file_is_a_copy_that_the_job_may_change(tmp_path: Path) -> None:
    kept, work = tmp_path / "kept", tmp_path / "work"
    kept.write_bytes(b"weights")
    put_inputs([a_file()], work, finding(kept))
    (work / PLACE / "net").write_bytes(b"changed")
    assert kept.read_bytes() == b"weights"


def test_a_folder_is_unpacked_at_its_place(tmp_path: Path) -> None:
    tar = packed(tmp_path / "kept", MLmodel=b"flavors", data__model=b"weights")
    put_inputs([a_file(folder=True)], tmp_path / "work", finding(tar))
    assert (tmp_path / "work" / PLACE / "net/data/model").read_bytes() == b"weights"


def test_a_model_that_is_one_file_is_put_as_that_file(tmp_path: Path) -> None:
    tar = packed(tmp_path / "kept", **{"net.npz": b"weights"})
    one = a_model(folder=False, file="net.npz", place=f"{PLACE}/model/net.npz")
    put_inputs([one], tmp_path / "work", finding(tar))
    assert (tmp_path / "work" / one.place).read_bytes() == b"weights"


def test_nothing_of_a_folder_lands_outside_its_place(tmp_path: Path) -> None:
    tar = packed(tmp_path / "kept", **{"../outside": b"x"})
    with pytest.raises(InputMissing, match="model 'digits' version 3"):
        put_inputs([a_model()], tmp_path / "work", finding(tar))
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("place", ["../out", "/etc/out", ".tiltyard/inputs/../../../out"])
def test_a_place_outside_the_jobs_folder_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputMissing, match="does not lie"):
        put_inputs([a_file(place=place)], tmp_path / "work", finding(tmp_path / "kept"))


def test_what_was_not_left_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="'net', which job abc did not leave"):
        put_inputs([a_file(sha256=None)], tmp_path / "work", finding(tmp_path / "kept"))


def test_a_folder_whose_content_changed_on_the_way_is_not_used_and_not_kept(tmp_path: Path) -> None:
    tar = packed(tmp_path / "tar", net=b"weights")
    digest = packed_content_digest(tar)

    class Sent:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def __enter__(self) -> object:
            return iter([self.content])

        def __exit__(self, *_: object) -> None:
            pass

    changed = packed(tmp_path / "changed", net=b"WEIGHTS").read_bytes()
    kept = tmp_path / "kept"
    with pytest.raises(Damaged):
        fetch(kept, digest, lambda: Sent(changed), what="it", digest_of=packed_content_digest)  # type: ignore[arg-type, return-value]
    assert not list(kept.iterdir())
    found = fetch(kept, digest, lambda: Sent(tar.read_bytes()), what="it", digest_of=packed_content_digest)  # type: ignore[arg-type, return-value]
    assert found.name == digest
    assert hashlib.sha256(found.read_bytes()).hexdigest() != digest


@pytest.mark.parametrize("taken", [".tiltyard", f"{PLACE}", f"{PLACE}/net"])
def test_a_file_of_the_archive_in_an_inputs_place_is_the_jobs_mistake_and_no_trouble_of_the_hosts(
    tmp_path: Path, taken: str
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"weights")
    place = tmp_path / "work" / taken
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("of the archive")
    with pytest.raises(InputMissing, match="the archive has a file of its own where the input 'model'"):
        put_inputs([a_file(place=f"{PLACE}/net/net.npz")], tmp_path / "work", finding(kept))


def test_a_folder_of_the_archive_in_an_inputs_place_is_the_jobs_mistake_too(tmp_path: Path) -> None:
    tar = packed(tmp_path / "tar", **{"a/net": b"weights"})
    one = a_file(folder=True, place=f"{PLACE}/net")
    (tmp_path / "work" / PLACE / "net").mkdir(parents=True)
    (tmp_path / "work" / PLACE / "net" / "a").write_text("of the archive")
    with pytest.raises(InputMissing, match="of its own"):
        put_inputs([one], tmp_path / "work", finding(tar))
    (tmp_path / "work" / PLACE / "net.npz").mkdir(parents=True)
    with pytest.raises(InputMissing, match="of its own"):
        put_inputs([a_file(place=f"{PLACE}/net.npz")], tmp_path / "work", finding(tar))
