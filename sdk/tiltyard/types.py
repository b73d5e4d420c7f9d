"""The words that tasks say their types in, for annotations: `Array`, `Table`, `Model`, `Dataset`, `Figure`.

An annotation is read from the source and never run, and at run time each of these takes anything: what a library calls an
array is its own affair. Say shape, dtype, unit and range in words beside the type:

    Images = Annotated[Array, "float32 (n, height, width, channels), 0 to 1"]

    @task
    def fgm(model: Model, images: Images, eps: Annotated[float, "Linf, same scale as the images"] = 0.1) -> Images: ...

Every other class is known by its name; `int`, `float`, `str`, `bool`, `None`, `Path`, `list[...]`, `dict[...]`,
`tuple[...]`, `Literal[...]`, `X | Y` and `Any` mean what they say.
"""

from typing import Any, TypeAlias

__all__ = ["Array", "Dataset", "Figure", "Model", "Table"]

Array: TypeAlias = Any
"""A numpy array, or what turns into one."""
Table: TypeAlias = Any
"""A pandas data frame, or rows as a list of mappings."""
Model: TypeAlias = Any
"""Anything with `predict`, or a library's estimator around one."""
Dataset: TypeAlias = Any
"""Inputs and labels, split; see the collection's `data` module for its own."""
Figure: TypeAlias = Any
"""A matplotlib figure."""
