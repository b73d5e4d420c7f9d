"""What breaks a rule is refused by the rule's name, whatever the format; what keeps them is read and unpacked whole."""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltyard.archive import ArchiveRefused, Limits, detect_format, inspect, unpack

SMALL = Limits(packed_bytes=200_000, unpacked_bytes=50_000, files=20, ratio_from=25_000, ratio=20)
PLAIN = replace(SMALL, ratio=1000)
PACKERS = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}
FILES = {"./MLproject": b"entry_points: {}", "src/a.py": b"print()\n" * 900, "src/deep/er/empty": b""}


def tar_bytes(*members, form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for member in members:
            name, data, *fields = member if isinstance(member, tuple) else (member, b"")
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for field in fields:
                for key, value in field.items():
                    setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_bytes(*members, method=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data, *mode in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (mode[0] if mode else 0o100644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


@pytest.fixture
def written(tmp_path):
    def write(data, name="archive"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def refused(path, limits=SMALL, into=None):
    with pytest.raises(ArchiveRefused) as caught:
        inspect(path, limits)
    with pytest.raises(ArchiveRefused) as again:
        unpack(path, into or path.parent / "into", limits)
    assert again.value.rule == caught.value.rule
    assert str(caught.value).startswith(f"{caught.value.rule.value}: ")
    return caught.value.rule


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_every_format_is_known_by_its_first_bytes_and_read_whole(written, tmp_path, kind):
    data = zip_bytes(*FILES.items()) if kind == "zip" else PACKERS[kind](tar_bytes(*FILES.items()))
    path = written(data)
    contents = inspect(path)
    assert contents.format == detect_format(path) == kind
    assert contents.files == ["MLproject", "src/a.py", "src/deep/er/empty"]
    assert contents.size_unpacked == 16 + 7200
    assert contents.documents == {"MLproject": b"entry_points: {}"}
    unpack(path, tmp_path / "into")
    for name, content in FILES.items():
        assert (tmp_path / "into" / name).read_bytes() == content


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_read_as_pax_and_as_gnu_write_them(written, tmp_path, form):
    name = "/".join(["d" * 200, "é" * 60, "f"])
    path = written(tar_bytes((name, b"x"), form=form))
    assert inspect(path).files == [name]
    unpack(path, tmp_path / "into")
    assert (tmp_path / "into" / name).read_bytes() == b"x"


def test_modes_are_ours_and_empty_directories_are_kept(written, tmp_path):
    os_mask = os.umask(0o077)
    try:
        path = written(
            tar_bytes(
                ("run.sh", b"", {"mode": 0o4777}),
                ("plain", b"", {"mode": 0}),
                ("d/e", b"", {"type": tarfile.DIRTYPE, "mode": 0}),
            )
        )
        unpack(path, tmp_path / "into")
    finally:
        os.umask(os_mask)
    modes = {
        name: stat.S_IMODE((tmp_path / "into" / name).stat().st_mode)
        for name in ("run.sh", "plain", "d", "d/e")
    }
    assert modes == {"run.sh": 0o755, "plain": 0o644, "d": 0o755, "d/e": 0o755}


LINK, HARD, FIFO, BLOCK = (
    {"type": kind, "linkname": "x"}
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.BLKTYPE)
)


@pytest.mark.parametrize(
    ("rule", "members"),
    [
        ("link", [("a", b"", LINK)]), ("link", [("x", b""), ("a", b"", HARD)]), ("link", [("a", b"", {**LINK, "linkname": "y" * 300})]),
        ("device", [("a", b"", FIFO)]), ("device", [("a", b"", BLOCK)]),
        ("unsupported", [("a", b"", {"type": b"S"})]), ("unsupported", [("a", b"", {"type": b"V"})]),
        ("unsupported", [("a", b"", {"pax_headers": {"GNU.sparse.major": "1"}})]),
        ("absolute_path", ["/etc/passwd"]), ("absolute_path", ["C:/x"]), ("parent_path", ["a/../b"]), ("parent_path", [".."]),
        ("backslash", ["a\\b"]), ("nul", [("a", b"", {"pax_headers": {"path": "a\0b"}})]),
        ("duplicate", ["a", "a"]), ("duplicate", ["Data", "data"]), ("duplicate", ["stra\u00dfe", "STRASSE"]), ("duplicate", ["\u00e9", "e\u0301"]),
        ("duplicate", ["a", "a/b"]), ("duplicate", ["a/b", "a"]), ("duplicate", ["D/a", "d/b"]), ("duplicate", ["a", "./a"]),
        ("too_deep", ["/".join("abcdefghijklmnopq")]), ("name_too_long", ["x" * 256]), ("name_too_long", ["é" * 128]),
        ("too_many_files", [f"f{n}" for n in range(21)]), ("too_many_files", [(f"d{n}", b"", {"type": tarfile.DIRTYPE}) for n in range(21)]),
        ("too_large", [("a", b"x" * 50_001)]), ("too_large", [("a", b"x" * 30_000), ("b", b"x" * 30_000)]),
        ("name_too_long", ["x" * 70_000]), ("damaged", ["."]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_a_tar_that_breaks_a_rule_is_refused_by_its_name(written, rule, members, kind):
    assert refused(written(PACKERS[kind](tar_bytes(*members))), PLAIN) == rule


@pytest.mark.parametrize(
    ("rule", "members"),
    [
        ("link", [("a", b"x", 0o120777)]), ("device", [("a", b"", 0o010644)]), ("absolute_path", [("/a", b"")]), ("parent_path", [("../a", b"")]),
        ("backslash", [("a\\b", b"")]), ("duplicate", [("a", b""), ("A", b"")]), ("duplicate", [("a", b""), ("a/", b"")]),
        ("too_deep", [("a/" * 17 + "b", b"")]), ("name_too_long", [("a" * 256, b"")]), ("too_many_files", [(f"f{n}", b"") for n in range(21)]),
        ("too_large", [("a", os.urandom(50_001))]), ("damaged", [("a/", b"x")]),
    ],
)  # fmt: skip
def test_a_zip_that_breaks_a_rule_is_refused_by_its_name(written, rule, members):
    assert refused(written(zip_bytes(*members))) == rule


def patched(data, signature, offset, form, value):
    """The archive with one field changed in its first header of that signature."""
    changed = bytearray(data)
    struct.pack_into(form, changed, data.index(signature) + offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("encrypted", (b"PK\x01\x02", 8, "<H", 1)), ("encrypted", (b"PK\x03\x04", 6, "<H", 1)), ("unsupported", (b"PK\x01\x02", 10, "<H", 14)),
        ("damaged", (b"PK\x01\x02", 24, "<L", 5)), ("damaged", (b"PK\x01\x02", 24, "<L", 20_000)), ("damaged", (b"PK\x01\x02", 16, "<L", 7)),
        ("damaged", (b"PK\x01\x02", 20, "<L", 40_000)), ("damaged", (b"PK\x01\x02", 20, "<L", 3)), ("damaged", (b"PK\x01\x02", 42, "<L", 9)),
        ("damaged", (b"PK\x03\x04", 30, "<B", 66)), ("damaged", (b"PK\x05\x06", 10, "<H", 9)), ("damaged", (b"PK\x05\x06", 16, "<L", 3)),
        ("unsupported", (b"PK\x01\x02", 20, "<L", 0xFFFFFFFF)), ("unsupported", (b"PK\x05\x06", 16, "<L", 0xFFFFFFFF)),
        ("not_utf8", (b"PK\x01\x02", 46, "<B", 0xFF)), ("nul", (b"PK\x01\x02", 46, "<B", 0)),
    ],
)  # fmt: skip
def test_a_zip_whose_headers_lie_is_refused(written, rule, change):
    data = patched(zip_bytes(("aa", b"hello world" * 50)), *change)
    if rule == "nul":  # both headers, or they disagree first
        data = patched(data, b"PK\x03\x04", 30, "<B", 0)
    assert refused(written(data)) == rule


def test_members_that_share_their_bytes_are_refused(written):
    data = zip_bytes(("aa", b"x" * 99), ("bb", b"y" * 99))
    second = data.rindex(b"PK\x01\x02")
    changed = bytearray(data)
    struct.pack_into("<L", changed, second + 42, 0)
    changed[second + 46 : second + 48] = b"aa"
    assert refused(written(bytes(changed))) == "damaged"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_with_a_rare_compression_is_told_to_use_deflate(written, method):
    path = written(zip_bytes(("a", b"x" * 100), method=method))
    with pytest.raises(ArchiveRefused, match="use deflate"):
        inspect(path)


def test_names_that_are_not_utf8_are_refused(written):
    raw = bytearray(tar_bytes("a" * 8))
    raw[0] = 0xFF
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    assert refused(written(bytes(raw))) == "not_utf8"


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_a_bomb_stops_at_the_ratio(written, tmp_path, kind):
    zeros = b"\0" * 45_000
    data = zip_bytes(("bomb", zeros)) if kind == "zip" else PACKERS[kind](tar_bytes(("bomb", zeros)))
    assert refused(written(data)) == "ratio"
    written_before = tmp_path / "into" / "bomb"
    assert not written_before.exists() or written_before.stat().st_size < len(zeros)


def test_a_bomb_of_headers_stops_at_their_number(written):
    path = written(tar_bytes(*[("d", b"", {"type": tarfile.DIRTYPE})] * 200))
    assert refused(path) == "too_many_files"


def test_a_small_file_of_one_letter_is_no_bomb(written):
    assert inspect(written(gzip.compress(tar_bytes(("a", b"a" * 9_000)))), SMALL).size_unpacked == 9_000


def test_an_archive_above_the_packed_limit_is_not_opened(written):
    assert refused(written(tar_bytes(("a", b"x" * 300_000)))) == "too_large"


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_an_archive_cut_off_anywhere_is_damaged(written, tmp_path, kind):
    content = [("a", os.urandom(3000)), ("b", b"x" * 1000)]
    data = zip_bytes(*content) if kind == "zip" else PACKERS[kind](tar_bytes(*content))
    whole = 6144 if kind == "tar" else len(data)
    for end in {600, 1000, 2048, whole // 2, whole - 1200 if kind == "tar" else whole - 1}:
        if 512 <= end < len(data):
            assert refused(written(data[:end], f"cut{end}"), into=tmp_path / f"into{end}") == "damaged"


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_an_archive_with_something_behind_it_is_damaged(written, kind):
    data = zip_bytes(("a", b"x")) if kind == "zip" else PACKERS[kind](tar_bytes("a"))
    assert refused(written(data + b"something")) == "damaged"


def test_padding_and_several_streams_are_no_damage(written):
    data = tar_bytes(("a", b"x" * 2000))
    parts = [data[:700], b"", data[700:]]
    for number, pack in enumerate((gzip.compress, bz2.compress, lzma.compress)):
        padding = b"" if pack is bz2.compress else b"\0" * 512
        path = written(b"".join(map(pack, parts)) + padding, f"streams{number}")
        assert inspect(path).files == ["a"]


def test_what_is_no_archive_and_a_name_that_lies_are_refused(written):
    assert refused(written(b"just text")) == "unknown_format"
    assert refused(written(b"")) == "unknown_format"
    assert refused(written(gzip.compress(b"just text" * 900))) == "unknown_format"
    assert refused(written(tar_bytes("a"), "a.zip")) == "magic_mismatch"
    assert detect_format(written(gzip.compress(b""), "a.tgz")) == "tar.gz"


def test_nothing_is_written_through_a_link_that_stands_in_the_way(written, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "d").symlink_to(tmp_path / "outside")
    (tmp_path / "into" / "f").symlink_to(tmp_path / "outside" / "new")
    for name in ("d/x", "f"):
        with pytest.raises(OSError, match=r"Not a directory|Too many levels|File exists"):
            unpack(written(tar_bytes(name)), tmp_path / "into")
    assert list((tmp_path / "outside").iterdir()) == []


def test_only_the_start_of_a_long_mlproject_is_kept(written):
    contents = inspect(written(tar_bytes(("sub/mlPROJECT", b"x" * 100_000))))
    assert {name: len(start) for name, start in contents.documents.items()} == {"sub/mlPROJECT": 65_537}


@given(data=st.data(), kind=st.sampled_from(["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"]))
@settings(max_examples=200, deadline=None)
def test_whatever_bytes_are_changed_the_answer_is_contents_or_a_rule(tmp_path_factory, data, kind):
    whole = zip_bytes(*FILES.items()) if kind == "zip" else PACKERS[kind](tar_bytes(*FILES.items()))
    changed = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, min(len(whole), 5000) - 1), max_size=4)):
        changed[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("any") / "archive"
    path.write_bytes(bytes(changed))
    try:
        inspect(path)
    except ArchiveRefused as refusal:
        assert refusal.rule  # noqa: PT017 - either outcome is right
