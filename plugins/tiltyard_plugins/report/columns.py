"""Columns of the tables that metrics give, for what takes lists: curves and figures."""

from typing import Annotated, Any

from tiltyard import task, types


@task(tags=["report"])
def column(
    rows: Annotated[types.Table, "rows as mappings, or a data frame"],
    name: Annotated[str, "of the column"],
) -> Annotated[list[Any], "its values, in the order of the rows"]:
    """Take one column of a table."""
    listed = rows.to_dict(orient="records") if hasattr(rows, "to_dict") else list(rows)
    known = list(listed[0]) if listed else []
    if name not in known:
        raise ValueError(
            f"the table has no column {name!r}: its columns are {', '.join(map(str, known)) or 'none'}"
        )
    return [row[name] for row in listed]
