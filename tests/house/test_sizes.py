"""Small files and small functions, measured. A long one is a name that was not found yet."""

import ast
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    chain.from_iterable(
        (ROOT / folder).rglob("*.py") for folder in ("sdk", "orchestrator", "api", "workers", "plugins")
    )
)


def functions(path: Path) -> list[int]:
    """How many lines each function of a file has."""
    found = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in found]


def test_nineteen_functions_in_twenty_have_at_most_thirty_lines() -> None:
    lengths = [length for path in SOURCES for length in functions(path)]
    assert quantiles(lengths, n=20)[-1] <= 30


def test_half_of_the_files_have_at_most_a_hundred_lines_and_few_over_three_hundred() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert median(lengths.values()) <= 100
    long = {path: length for path, length in lengths.items() if length > 300}
    assert len(long) <= len(lengths) / 50, long
    assert max(lengths.values()) <= 400, long
