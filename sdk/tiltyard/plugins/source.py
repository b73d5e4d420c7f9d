"""A Python file from outside, parsed and never run.

What the parser cannot take (NUL, an encoding that is no text's, nesting without end) is a problem with the file and never
an exception here. Positions in the tree are found again in the text, without a second parser.
"""

import ast
import io
import re
import threading
import tokenize
import warnings

from tiltyard.plugins.limits import SOURCE_BYTES
from tiltyard.plugins.problems import problem
from tiltyard.wire.problems import ProblemItem

_ENCODINGS = {"utf-8": "utf-8-sig", "utf-8-sig": "utf-8-sig", "ascii": "ascii", "iso-8859-1": "iso-8859-1"}
_LINE_END = re.compile(r"\r\n|\r|\n")
_QUIET = threading.Lock()


class Source:
    """The text of a file, by lines."""

    def __init__(self, text: str) -> None:
        self._lines = [line.encode(errors="replace") for line in _LINE_END.split(text)]

    def text_of(self, node: ast.expr) -> str:
        """How an expression is written, on one line."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        if first == last:  # at once: a line may be as long as a file, and hold as many defaults
            return self._lines[first][node.col_offset : node.end_col_offset].decode(errors="replace").strip()
        lines = self._lines[first : min(last, first + 10) + 1]
        if last - first < len(lines):
            lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return " ".join(line.decode(errors="replace").strip() for line in lines)


def parse(path: str, data: bytes) -> tuple[ast.Module, Source] | ProblemItem:
    """The syntax tree of a file, or why there is none."""
    if len(data) > SOURCE_BYTES:
        return problem(
            path, "too_large", f"it is over {SOURCE_BYTES // 1024} KiB: keep data in files of its own"
        )
    if b"\0" in data:
        return problem(path, "not_python", "it holds NUL bytes: it is no Python source")
    text = _decoded(data)
    if text is None:
        return problem(path, "not_python", "it is no text in the encoding it names: save it as UTF-8")
    try:
        return parsed(text), Source(text)
    except SyntaxError as error:
        item = problem(path, "not_python", f"it does not parse: {error.msg}")
        return item.model_copy(update={"line": error.lineno, "column": error.offset})
    except (ValueError, RecursionError, MemoryError) as error:
        told = str(error) if isinstance(error, ValueError) else "it is nested too deep"
        return problem(path, "not_python", f"it does not parse: {told}")


def parsed(text: str) -> ast.Module:
    """Parse text without telling the world about its odd escapes. Raises what the parser raises."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def _decoded(data: bytes) -> str | None:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data[:4096]).readline)
        return data.decode(_ENCODINGS[encoding])
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None
