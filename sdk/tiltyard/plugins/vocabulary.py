"""Which names of Python and of the field's libraries mean which kind of type."""

from tiltyard.wire.plugins import Kind

_BUILT_IN = {
    "int": Kind.integer,
    "float": Kind.float,
    "str": Kind.string,
    "bool": Kind.boolean,
    "object": Kind.any,
    "list": Kind.list,
    "dict": Kind.mapping,
}
_LISTS = (
    "Sequence", "MutableSequence", "Iterable", "Iterator", "Collection", "Generator", "Reversible",
)  # fmt: skip
_MAPPINGS = ("Mapping", "MutableMapping")
_SCALARS = {
    **{
        f"numpy.{name}": Kind.integer
        for name in ("integer", "int8", "int16", "int32", "int64", "uint8", "intp")
    },
    **{f"numpy.{name}": Kind.float for name in ("floating", "number", "float16", "float32", "float64")},
    "numpy.bool_": Kind.boolean,
    "numpy.bool": Kind.boolean,
    "numbers.Number": Kind.float,
    "numbers.Real": Kind.float,
    "numbers.Integral": Kind.integer,
    "types.NoneType": Kind.none,
    "typing.NoReturn": Kind.none,
    "typing.Never": Kind.none,
    "typing.Any": Kind.any,
    "typing.AnyStr": Kind.string,
    "typing.Text": Kind.string,
    "typing.LiteralString": Kind.string,
}
_OURS = {
    "Array": Kind.array,
    "Table": Kind.table,
    "Model": Kind.model,
    "Dataset": Kind.dataset,
    "Figure": Kind.figure,
}
_COLLECTION = {
    **dict.fromkeys(("Images", "Features", "Inputs", "Labels", "Probabilities"), Kind.array),
    **dict.fromkeys(("Model", "Estimator"), Kind.model),
    "Dataset": Kind.dataset,
    "Figure": Kind.figure,
}
_LIBRARIES = {
    "numpy.ndarray": Kind.array,
    "numpy.typing.NDArray": Kind.array,
    "numpy.typing.ArrayLike": Kind.array,
    "pandas.DataFrame": Kind.table,
    "pandas.core.frame.DataFrame": Kind.table,
    "matplotlib.figure.Figure": Kind.figure,
    "matplotlib.pyplot.Figure": Kind.figure,
    "sklearn.base.BaseEstimator": Kind.model,
    "sklearn.base.ClassifierMixin": Kind.model,
    "pathlib.Path": Kind.path,
    "pathlib.PurePath": Kind.path,
    "pathlib.PosixPath": Kind.path,
    "os.PathLike": Kind.path,
}

LISTS = frozenset(
    {
        "builtins.list",
        "typing.List",
        *(f"{home}.{name}" for home in ("typing", "collections.abc") for name in _LISTS),
    }
)
MAPPINGS = frozenset(
    {
        "builtins.dict",
        "typing.Dict",
        "collections.OrderedDict",
        "collections.defaultdict",
        *(f"{home}.{name}" for home in ("typing", "collections.abc") for name in _MAPPINGS),
    }
)
TUPLES = frozenset({"builtins.tuple", "typing.Tuple"})
WRAPPERS = frozenset({"Final", "ClassVar", "Required", "NotRequired", "ReadOnly", "Awaitable"})
"""Forms of `typing` that say nothing of what they hold."""

KINDS: dict[str, Kind] = {
    **{f"builtins.{name}": kind for name, kind in _BUILT_IN.items()},
    **dict.fromkeys(LISTS, Kind.list),
    **dict.fromkeys(MAPPINGS, Kind.mapping),
    **dict.fromkeys(TUPLES, Kind.tuple),
    **_SCALARS,
    **{f"tiltyard.types.{name}": kind for name, kind in _OURS.items()},
    # The collection's own aliases, for plugins that share them: its files are not here to be followed.
    **{f"tiltyard_plugins.types.{name}": kind for name, kind in _COLLECTION.items()},
    **_LIBRARIES,
}
"""Full dotted name: kind."""
