"""Types are what annotations say, through the aliases of the plugin's own modules."""

import pytest

from tests.sdk.plugins.sources import IMPORT, codes, only, plugin, read
from tiltyard.plugins.shown import type_text
from tiltyard.wire.plugins import Kind, Type

IMPORTS = """
import numpy as np
import numpy.typing as npt
import pandas as pd
from collections.abc import Mapping, Sequence
from matplotlib.figure import Figure as Fig
from pathlib import Path
from typing import *
from tiltyard import types
from tiltyard.types import Array, Model
from somewhere import Thing
import deep.down.there
"""


def type_of(annotation: str, before: str = "", **others: str) -> Type:
    return only(f"{IMPORTS}{before}\n@task\ndef f(x: {annotation}): ...\n", **others).inputs[0].type


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("int", "integer"),
        ("bool", "boolean"),
        ("None", "none"),
        ("object", "any"),
        ("Any", "any"),
        ("np.ndarray", "array"),
        ("npt.NDArray[np.float32]", "array"),
        ("pd.DataFrame", "table"),
        ("Fig", "figure"),
        ("Path", "path"),
        ("types.Dataset", "dataset"),
        ("Model", "model"),
        ("list[int]", "list of integer"),
        ("List[List[str]]", "list of list of string"),
        ("Sequence", "list"),
        ("dict[str, Array]", "mapping of string to array"),
        ("tuple[int, float]", "(integer, float)"),
        ("tuple[int, ...]", "list of integer"),
        ("int | None", "integer or none"),
        ("Optional[int | str]", "integer or string or none"),
        ("Union[int, int]", "integer"),
        ("Literal['a', 'b', -1, None]", "a | b | -1 | null"),
        ("'np.ndarray | None'", "array or none"),
        ("Thing", "somewhere.Thing"),
        ("Thing[int]", "somewhere.Thing"),
        ("deep.down.there.Class", "deep.down.there.Class"),
        ("np.random.Generator", "numpy.random.Generator"),
        ("Callable[[int], str]", "typing.Callable"),
        ("Exception", "Exception"),
    ],
)
def test_an_annotation_says_its_type(annotation, text):
    assert type_text(type_of(annotation)) == text


def test_words_stand_beside_the_type_also_through_aliases():
    before = "UNIT = 'Linf'\nImages = Annotated[Array, 'float32 (n, h, w)']\n"
    assert type_of("Images", before) == Type(kind=Kind.array, words="float32 (n, h, w)")
    assert type_of("Annotated[Images, UNIT, 7]", before).words == "float32 (n, h, w); Linf"
    assert type_of("Annotated[int | None, 'how many']").words == "how many"


@pytest.mark.parametrize(
    "take",
    [
        "from .words import Images as I",
        "from attacks.words import Images as I",
        "from . import words\nI = words.Images",
        "import attacks.words\nI = attacks.words.Images",
        "from .words import *\nI = Images",
        "from .again import I",
    ],
)
def test_an_alias_of_a_sibling_is_followed(take):
    others = {
        "words": "from typing import Annotated as A\nfrom tiltyard.types import Array\nImages = A[Array, 'px']\n",
        "again": "from .words import Images as I\n",
    }
    assert type_of("I", take, **others) == Type(kind=Kind.array, words="px")


def test_a_class_of_the_plugin_is_known_by_its_name():
    assert type_of("Own", "class Own: ...") == Type(kind=Kind.other, name="attacks.main.Own")
    assert type_of("T", "T = TypeVar('T')") == Type()
    assert type_of("Id", "Id = NewType('Id', str)") == Type(kind=Kind.string)
    assert type_of("Both", "if TYPE_CHECKING:\n    from there import Both") == Type(
        kind=Kind.other, name="there.Both"
    )


@pytest.mark.parametrize(
    ("annotation", "before"),
    [
        ("Nothing", ""),
        ("list[Nothing]", ""),
        ("'Nothing | None'", ""),
        ("'not ( python'", ""),
        ("conint(gt=1)", ""),
        ("3", ""),
        ("Gone", "from .words import Gone"),
        ("Gone", "from attacks.gone import Gone"),
        ("Gone", "from ...above import Gone"),
        ("A", "A = 'B'\nB = 'A'"),
        ("A", "A = list['A']"),
        ("T0", "\n".join(f"T{n} = tuple[T{n + 1}, T{n + 1}]" for n in range(40)) + "\nT40 = int"),
        ("list[" * 60 + "int" + "]" * 60, ""),
    ],
)
def test_a_type_that_nobody_knows_is_a_problem_at_its_place(annotation, before):
    text = f"from typing import *\n{before}\n{IMPORT}@task\ndef f(x: {annotation}): ...\n"
    assert codes(plugin(main=text.replace("from typing import *\n", ""), words="")) == ["unknown_type"]


def test_names_may_be_bound_by_a_library_that_gives_all_of_its_own():
    assert type_of("Mystery", "from art import *").kind is Kind.other


def test_dioptras_plugins_may_name_types_that_nothing_binds():
    text = "from __future__ import annotations\nfrom dioptra import pyplugs\n@pyplugs.register\ndef f(x: Iter) -> List[X]: ...\n"
    [task] = read(main=text).tasks
    assert (task.inputs[0].type.name, task.outputs[0].type.name) == ("Iter", "List")
