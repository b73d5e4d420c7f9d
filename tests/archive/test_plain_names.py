"""Names that every file system takes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiltyard.archive import plain_names
from tiltyard.archive.plain_names import LONGEST, plain_name, plain_paths


@pytest.mark.parametrize(
    "name", ["curve.png", "MLmodel", ".hidden", "naïve ☃.csv", "a b", "100%", "連載.txt"]
)
def test_what_every_system_takes_stays_as_it_is(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize(
    ("name", "written"),
    [("CON", "%43ON"), ("nul.txt", "%6Eul.txt"), ("Lpt1.tar.gz", "%4Cpt1.tar.gz"), ("end.", "end%2E"),
     ("end ", "end%20"), (" start", "%20start"), ("..", ".%2E"), (".", "%2E"), ("", "%"), ("a\\b", "a%5Cb"),
     ("a\nb", "a%0Ab"), ("a\x1b[2Jb", "a%1B[2Jb"), ("x\u202ecod.exe", "x%E2%80%AEcod.exe"), ("c:", "c%3A"),
     ("a?b*", "a%3Fb%2A"), ("zero\u200bwidth", "zero%E2%80%8Bwidth")],
)  # fmt: skip
def test_what_some_system_refuses_is_written_in_another_way(name: str, written: str) -> None:
    assert plain_name(name) == written


def test_a_name_that_is_too_long_keeps_its_beginning_and_its_suffix() -> None:
    first, second = plain_name("ü" * 300 + "a.png"), plain_name("ü" * 300 + "b.png")
    assert first != second
    assert first.startswith("üüü")
    assert first.endswith(".png")
    assert len(first.encode()) <= LONGEST


def test_names_that_some_system_takes_for_one_are_told_apart() -> None:
    paths = ["Data.csv", "data.csv", "A/x", "a/x", "a", "caf\u00e9", "cafe\u0301"]
    plain = plain_paths(paths)
    assert plain["Data.csv"] == "Data.csv"
    assert plain["data.csv"] == "data~2.csv"
    assert len({written.casefold() for written in plain.values()}) == len(paths)
    assert plain_paths(reversed(paths)) == plain


def test_very_many_names_that_differ_in_case_alone_take_one_try_each(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["".join(pair) for pair in itertools.product(*((low, low.upper()) for low in "abcdefghij"))]
    tries: list[str] = []
    fold = plain_names._fold
    monkeypatch.setattr(plain_names, "_fold", lambda name: tries.append(name) or fold(name))
    plain = plain_paths(names)
    assert len({fold(written) for written in plain.values()}) == len(names) == 1024
    assert len(tries) < 5 * len(names)


@given(st.lists(st.text(min_size=1), unique=True))
def test_no_path_leaves_its_folder_and_no_two_are_one(paths: list[str]) -> None:
    plain = plain_paths(paths)
    assert len({written.casefold() for written in plain.values()}) == len(paths)
    for written in plain.values():
        assert not {"", ".", ".."} & set(written.split("/"))
        assert "\\" not in written
        assert all(len(part.encode()) <= LONGEST + 5 for part in written.split("/"))
