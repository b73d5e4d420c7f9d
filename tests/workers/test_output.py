"""What a job prints is read at once, shown raw, bounded, and marked where it was cut."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tiltyard_workers.supervisor.output import CHUNK, TAIL_BYTES, Output


def read(
    *written: bytes, limit: int = 1 << 20, has_room: Callable[[], bool] = lambda: True
) -> list[dict[str, Any]]:
    """Everything that is made of what a job wrote."""
    reading, writing = os.pipe()
    pieces: list[dict[str, Any]] = []

    def emit(stream: str, text: str, *, partial: bool, dropped: int) -> None:
        pieces.append({"stream": stream, "text": text, "partial": partial, "dropped": dropped})

    output = Output("stdout", os.fdopen(reading, "rb"), emit, has_room=has_room, limit=limit)
    output.start()
    with os.fdopen(writing, "wb") as out:
        for chunk in written:
            out.write(chunk)
    output.finish(30)
    return pieces


def text_of(pieces: list[dict[str, Any]]) -> str:
    return "".join(piece["text"] for piece in pieces)


def test_text_arrives_as_it_was_written() -> None:
    assert text_of(read("naïve\n".encode(), b"second\n")) == "naïve\nsecond\n"


def test_what_is_not_utf8_is_shown_and_nul_is_visible() -> None:
    assert text_of(read(b"\xff\xfe caf\xc3\xa9 \x00 end\n")) == "\\xff\\xfe café \\x00 end\n"


def test_a_character_that_two_reads_share_stays_whole() -> None:
    assert text_of(read(b"x" * (CHUNK - 1) + "é".encode() + b"\n")) == "x" * (CHUNK - 1) + "é\n"


def test_the_last_line_without_a_newline_is_there_and_marked() -> None:
    pieces = read(b"whole\nhalf")
    assert text_of(pieces) == "whole\nhalf"
    assert pieces[-1]["partial"]


def test_one_line_of_a_hundred_megabytes_keeps_its_head_and_its_tail() -> None:
    pieces = read(b"head", *([b"x" * 1_000_000] * 100), b"tail\n", limit=1 << 20)
    text, dropped = text_of(pieces), sum(piece["dropped"] for piece in pieces)
    assert text.startswith("head")
    assert text.endswith("tail\n")
    assert len(text) < (1 << 20) + 3 * TAIL_BYTES
    assert len(text) + dropped == 100_000_009, "what is left out is counted to the byte"
    assert max(len(piece["text"]) for piece in pieces) <= CHUNK


def test_while_nothing_is_taken_the_newest_is_kept_and_the_cut_is_marked() -> None:
    pieces = read(*(f"{number:07d}\n".encode() for number in range(100_000)), has_room=lambda: False)
    text, dropped = text_of(pieces), sum(piece["dropped"] for piece in pieces)
    assert text.endswith("0099999\n")
    assert len(text) + dropped == 800_000


@pytest.mark.parametrize("written", [b"", b"\n"])
def test_a_job_that_prints_next_to_nothing_makes_next_to_no_events(written: bytes) -> None:
    assert len(read(written)) == len(written)
