"""Tables as `.csv`, or as `.parquet` where pyarrow is there."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


class Tables:
    """The artifact type `table`: a pandas data frame or series, rows as mappings, or a mapping of columns."""

    def save(self, value: Any, folder: Path, name: str, format: str = "csv", **options: Any) -> list[Path]:  # noqa: A002 - Dioptra's word
        """Write `name.csv`, or `name.parquet` with `format="parquet"`; further options are pandas' own."""
        if format not in ("csv", "parquet"):
            raise ValueError(f"a table is saved as csv or parquet, not as {format!r}")
        path = folder / f"{name}.{format}"
        if format == "csv" and not hasattr(value, "to_csv") and not options:
            _write_rows(value, path)
        else:
            frame = _frame(value)
            getattr(frame, f"to_{format}")(path, **options)
        return [path]

    def load(self, path: Path) -> Any:
        """Return a pandas data frame."""
        import pandas as pd  # noqa: PLC0415 - the command line loads no libraries

        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        frame = pd.read_csv(path)
        # pandas writes a frame's index as a column without a name.
        unnamed = [column for column in frame.columns[:1] if str(column).startswith("Unnamed: 0")]
        return frame.set_index(unnamed[0]).rename_axis(None) if unnamed else frame


def _write_rows(value: Any, path: Path) -> None:
    rows = _rows(value)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        columns = {str(name): list(column) for name, column in value.items()}
        longest = max(map(len, columns.values()), default=0)
        if any(len(column) != longest for column in columns.values()):
            raise ValueError("the columns of a table are of one length")
        return [{name: column[index] for name, column in columns.items()} for index in range(longest)]
    if isinstance(value, Sequence) and all(isinstance(row, Mapping) for row in value):
        return list(value)
    raise TypeError("a table is a data frame, a list of mappings (rows), or a mapping of lists (columns)")


def _frame(value: Any) -> Any:
    import pandas as pd  # noqa: PLC0415

    if isinstance(value, pd.Series):
        return value.to_frame()
    return value if isinstance(value, pd.DataFrame) else pd.DataFrame(value)
