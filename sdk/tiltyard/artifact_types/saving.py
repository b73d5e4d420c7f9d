"""Saves a value as its sort says, and loads what a file's name says it is."""

from pathlib import Path
from typing import Any

from tiltyard.artifact_types.registry import named

__all__ = ["NotSaved", "load", "save", "sort_of"]

_BY_SUFFIX = {
    ".npy": "array",
    ".npz": "array",
    ".csv": "table",
    ".parquet": "table",
    ".json": "json",
    ".txt": "text",
    ".md": "text",
    ".joblib": "model",
    ".pkl": "model",
    ".pt": "model",
    ".keras": "model",
}
_BY_CLASS = {
    "numpy.ndarray": "array",
    "torch.Tensor": "array",
    "pandas.core.frame.DataFrame": "table",
    "pandas.core.series.Series": "table",
    "pandas.DataFrame": "table",
    "pandas.Series": "table",
    "matplotlib.figure.Figure": "figure",
    "torch.nn.modules.module.Module": "model",
    "sklearn.base.BaseEstimator": "model",
}


class NotSaved(TypeError):
    """A value that has no form as a file; the message says what would do."""


def save(value: Any, folder: Path, name: str, sort: str | None = None, **options: Any) -> list[Path]:
    """Save a value below `folder` in files named after `name`, and return the files.

    Args:
        value: what to save.
        folder: where; it is made.
        name: the files' name without suffix.
        sort: an artifact type; None: the one for the value.
        options: for the artifact type, such as `format="parquet"` of a table.

    Raises:
        NotSaved: no artifact type fits the value.
        UnknownArtifactType: there is none of this name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sort = sort or sort_of(value)
    if sort is None and isinstance(value, (list, tuple)) and value:
        return [
            path
            for number, item in enumerate(value, 1)
            for path in save(item, folder, f"{name}-{number}", **options)
        ]
    if sort is None:
        kind = type(value)
        raise NotSaved(
            f"{name!r} is a {kind.__module__}.{kind.__qualname__}, which no artifact type is for: name one,"
            " or register your own with @artifact_type"
        )
    return named(sort).save(value, folder, name, **options)


def load(path: Path, sort: str | None = None) -> Any:
    """Return the value that a file holds: as `sort` says, else as its suffix does, else its path.

    Loading a model runs code that its file holds: load what you made or trust.
    """
    return named(sort or _BY_SUFFIX.get(path.suffix.lower(), "path")).load(path)


def sort_of(value: Any) -> str | None:
    """Return the artifact type for a value, or None where there is none."""
    if isinstance(value, (str, Path)):
        return "text" if isinstance(value, str) else "path"
    classes = [f"{one.__module__}.{one.__qualname__}" for one in type(value).__mro__]
    for one in classes:
        if one in _BY_CLASS or one.startswith(("keras.", "art.estimators.")):
            return _BY_CLASS.get(one, "model")
    return _sort_of_collection(value) if isinstance(value, (dict, list, tuple)) else _of_plain(value)


def _sort_of_collection(value: Any) -> str | None:
    sorts = {sort_of(one) for one in (value.values() if isinstance(value, dict) else value)}
    if isinstance(value, dict) and sorts == {"array"}:
        return "array"
    if sorts and sorts <= {"array", "table", "figure", "model"}:
        return None  # several files
    return _of_plain(value)


def _of_plain(value: Any) -> str | None:
    return "json" if _is_plain(value) else None


def _is_plain(value: Any) -> bool:
    match value:
        case dict():
            return all(isinstance(key, (str, int, float)) for key in value) and all(
                map(_is_plain, value.values())
            )
        case list() | tuple():
            return all(map(_is_plain, value))
        case str() | bool() | int() | float() | None:
            return True
        case _:
            return hasattr(value, "item") and hasattr(value, "tolist")
