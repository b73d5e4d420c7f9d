r"""Reads a shell command far enough to know how each slot in it is quoted.

A slot is a NUL character: it marks where a value will be put. The answer is good for every POSIX shell and for bash;
where they differ, or where no quoting of a value is safe, the slot is refused with what to write instead. A command
without slots is nobody's business here, except that its quotes must close.

The reading is cautious rather than complete: past a construct that it does not follow (a here-document, `${x:-…}`,
`((…))`), it refuses slots instead of guessing.
"""

import re
from enum import Enum, auto
from typing import NoReturn

SLOT = "\0"


class Quoting(Enum):
    """What surrounds a slot."""

    word = auto()
    """Nothing: the slot is a whole word."""
    part = auto()
    """Nothing, but it touches other text."""
    double = auto()
    single = auto()


class ShellRefused(ValueError):
    """A slot stands where no value is safe, or a quote is never closed."""


def quotings(text: str) -> list[Quoting]:
    """Return how each slot in `text` is quoted, in order. Raises `ShellRefused`."""
    reader = _Reader(text)
    reader.read_commands()
    return reader.found


_JOINED = r"(?:\\\n)*"  # a backslash before a line break vanishes, wherever it stands
_DOLLAR = rf"""
    (?P<slotted>\${_JOINED}\0)
  | (?P<substitution>\${_JOINED}\()
  | (?P<braces>\${_JOINED}\{{)
  | (?P<variable>\${_JOINED}[A-Za-z0-9_](?:{_JOINED}[A-Za-z0-9_])*)
  | (?P<special>\$[@*\#?$!-])
  | (?P<dollar>\$)
"""
_OUTSIDE = re.compile(
    rf"""
    (?P<joined>\\\n)
  | (?P<escaped>\\.?)
  | (?P<single>'[^']*'?)
  | (?P<double>")
  | (?P<backtick>`)
  | (?P<ansi>\${_JOINED}')
  | {_DOLLAR}
  | (?P<slot>\0)
  | (?P<name>[A-Za-z_]+)
  | (?P<character>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_INSIDE = re.compile(
    rf"""
    (?P<joined>\\\n)
  | (?P<escaped>\\.?)
  | (?P<close>")
  | (?P<backtick>`)
  | {_DOLLAR}
  | (?P<slot>\0)
  | (?P<character>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BACKTICKS = re.compile(r"`(?:\\.|[^`\\])*`", re.DOTALL)
_PLAIN_BRACES = re.compile(r"[^\0'\"\\`${}\n]*\}")
_COMMENT = re.compile(r"[^\n]*")
_BLANK = frozenset(" \t\n")
_BEFORE_COMMENT = _BLANK | frozenset(";&|()<>")
_WORD_ENDED = "'"
"""Stands for the last character of whatever was read as one piece: it neither ends a word nor opens anything."""


class _Unclear(Exception):
    """The rest of the command is not followed."""


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Quoting] = []
        self._at = 0
        self._before = "\n"  # the last character the shell sees, joined lines left out
        self._nested = 0

    def read_commands(self) -> None:
        """Read to the end, or to the first construct that is not followed."""
        try:
            self._read_outside(until_close=False)
        except _Unclear as reason:
            if SLOT in self.text[self._at :]:
                _refuse(f"stands after {reason}, which is not followed that far: put that part into a script")

    def _read_outside(self, *, until_close: bool) -> None:
        depth = 0
        while piece := _OUTSIDE.match(self.text, self._at):
            kind, text = str(piece.lastgroup), piece.group()
            if kind == "character":
                if until_close and text == ")" and not depth:
                    self._at = piece.end()
                    return
                depth += (text == "(") - (text == ")")
            self._at = piece.end()
            self._outside(kind, text)
        if until_close:
            raise ShellRefused("a $( is never closed")

    def _outside(self, kind: str, text: str) -> None:
        match kind:
            case "joined":
                return
            case "slot":
                self._slot_outside()
            case "single":
                self._single(text)
            case "double":
                self._read_inside()
            case "name" if self._nested and text == "case":
                raise _Unclear("a case inside $(…)")
            case "name":
                self._before = text[-1]
                return
            case "character":
                self._character(text)
                return
            case "ansi":
                raise _Unclear("$'…'")
            case "dollar":
                raise _Unclear("a lone $")
            case _:
                self._either(kind, text)
        self._before = _WORD_ENDED

    def _read_inside(self) -> None:
        while piece := _INSIDE.match(self.text, self._at):
            kind, text = str(piece.lastgroup), piece.group()
            self._at = piece.end()
            match kind:
                case "close":
                    return
                case "slot":
                    self._record(Quoting.double)
                case "variable" if re.compile(_JOINED + SLOT).match(self.text, self._at):
                    _refuse('touches a variable inside "…": write ${{NAME}} for the variable')
                case "joined" | "character" | "dollar":
                    pass
                case _:
                    self._either(kind, text)
        raise ShellRefused('a " is never closed')

    def _either(self, kind: str, text: str) -> None:
        """What means the same outside quotes and inside double ones."""
        match kind:
            case "escaped" if text == "\\":
                raise ShellRefused("the command ends with a backslash")
            case "escaped" if text.endswith(SLOT):
                _refuse("stands right after a backslash: leave the backslash out, values are quoted already")
            case "slotted":
                _refuse(
                    "stands right after a $: write {name} for the parameter, ${{NAME}} for a shell variable"
                )
            case "backtick":
                self._backticks()
            case "substitution":
                self._substitution()
            case "braces":
                braces = _PLAIN_BRACES.match(self.text, self._at)
                if braces is None:
                    raise _Unclear("a ${…} that holds more than a name")
                self._at = braces.end()

    def _substitution(self) -> None:
        self._nested += 1
        self._before = "("
        if self.text.startswith("(", self._at):
            raise _Unclear("$((…))")
        self._read_outside(until_close=True)
        self._nested -= 1

    def _backticks(self) -> None:
        piece = _BACKTICKS.match(self.text, self._at - 1)
        if piece is None:
            raise ShellRefused("a ` is never closed")
        if SLOT in piece.group():
            _refuse("stands inside `…`, where no quoting holds: put that part into a script")
        self._at = piece.end()

    def _single(self, text: str) -> None:
        if len(text) < 2 or not text.endswith("'"):
            raise ShellRefused("a ' is never closed")
        for _ in range(text.count(SLOT)):
            self._record(Quoting.single)

    def _character(self, text: str) -> None:
        before, self._before = self._before, text
        match text:
            case "#" if before in _BEFORE_COMMENT:
                self._comment()
            case "<" if before == "<":
                raise _Unclear("<<")
            case "(" if before in ("(", "="):
                raise _Unclear(f"{before}(")
            case "[" if before == "[" or before.isalnum() or before == "_":
                raise _Unclear(f"{before}[")

    def _comment(self) -> None:
        if self._nested:
            raise _Unclear("a comment inside $(…)")
        comment = _COMMENT.match(self.text, self._at)
        assert comment is not None
        if SLOT in comment.group():
            _refuse("stands in a comment")
        self._at = comment.end()

    def _slot_outside(self) -> None:
        if self._before == "[":
            _refuse("stands right after a [: put that part into a script")
        after = self.text[self._at : self._at + 1]
        whole = self._before in _BLANK and (not after or after in _BLANK)
        self._record(Quoting.word if whole else Quoting.part)

    def _record(self, quoting: Quoting) -> None:
        if self._nested:
            _refuse("stands inside $(…), where no quoting holds in every shell: put that part into a script")
        self.found.append(quoting)


def _refuse(why: str) -> NoReturn:
    raise ShellRefused(why)
