"""The digest of a folder's content, however it is packed."""

import hashlib
import io
import subprocess
import tarfile
from pathlib import Path

from tiltyard.archive.content import content_digest, packed_content_digest

FILES = {"b": b"B", "a/deep": b"deep", "a/é": b"accent"}


def packed(files: dict[str, bytes], path: Path, mode: str) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def digests(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_it_is_that_of_the_files_and_not_of_how_they_are_packed(tmp_path: Path) -> None:
    turned = dict(reversed(FILES.items()))
    one, other = packed(FILES, tmp_path / "a.tar", "w"), packed(turned, tmp_path / "b.tar.gz", "w:gz")
    assert packed_content_digest(one) == packed_content_digest(other) == content_digest(digests(FILES))


def test_a_file_that_changed_moved_or_came_changes_it() -> None:
    before = content_digest(digests(FILES))
    for changed in (
        {**FILES, "b": b"C"},
        {**FILES, "c": b""},
        {"c": b"B", "a/deep": b"deep", "a/é": b"accent"},
    ):
        assert content_digest(digests(changed)) != before


def test_a_line_feed_in_a_name_makes_no_second_file() -> None:
    one, two = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    assert content_digest({f"a\n{two}  b": one}) != content_digest({"a": one, "b": two})


def test_anybody_can_find_it_with_sha256sum(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    command = "find . -type f | sed 's|^./||' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    said = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.split()[0] == content_digest(digests(FILES))
