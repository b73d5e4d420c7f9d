"""Some tasks that graphs use here, as a catalogue has them."""

from tiltyard.wire.plugins import Kind, Task, TaskInput, TaskOutput, Type
from tiltyard_orchestrator.domain.graph import Catalogue

ARRAY = Type(kind=Kind.array, words="float32 (n, d), 0 to 1")
MODEL = Type(kind=Kind.model)
FLOAT, INTEGER, TEXT = Type(kind=Kind.float), Type(kind=Kind.integer), Type(kind=Kind.string)


def task(name: str, inputs=(), outputs=(), plugin: str = "tiltyard_plugins", module: str = "all") -> Task:
    """A task; an input's name with a question mark is not required."""
    return Task(
        plugin=plugin,
        version="1",
        name=name,
        module=f"{plugin}.{module}",
        function=name,
        inputs=[
            TaskInput(name=one.rstrip("?"), type=kind, required=not one.endswith("?")) for one, kind in inputs
        ],
        outputs=[TaskOutput(name=one, type=kind) for one, kind in outputs],
    )


LOAD = task("load", [("name", TEXT), ("seed?", INTEGER)], [("x", ARRAY), ("y", ARRAY)])
TRAIN = task("train", [("x", ARRAY), ("y", ARRAY)], [("model", MODEL)])
NORMS = Type(kind=Kind.choice, choices=["l2", "inf"])
FGM = task(
    "fgm", [("model", MODEL), ("x", ARRAY), ("eps?", FLOAT), ("norm?", NORMS)], [("adversarial", ARRAY)]
)
ACCURACY = task("accuracy", [("model", MODEL), ("x", ARRAY), ("y", ARRAY)], [("accuracy", FLOAT)])
SAY = task("say", [("text", TEXT)])
PATH = task("read", [("path", Type(kind=Kind.path))], [("data", Type())])
ANY = task(
    "gather",
    [("values", Type())],
    [("all", Type(kind=Kind.list))],
)

DATA = task("data", [], [("dataset", Type(kind=Kind.dataset))])
FIT = task("fit", [("dataset", Type(kind=Kind.dataset))], [("model", MODEL)])
NAMED = task("named").model_copy(
    update={"inputs": [TaskInput(name="seed", type=INTEGER, required=False, keyword_only=True)]}
)
MANY = task(
    "many",
    [
        ("numbers?", Type(kind=Kind.list, of=[INTEGER])),
        ("parts?", Type(kind=Kind.list, of=[ARRAY])),
        ("pair?", Type(kind=Kind.tuple, of=[FLOAT, FLOAT])),
        ("by_name?", Type(kind=Kind.mapping, of=[TEXT, FLOAT])),
    ],
)

TASKS = [LOAD, TRAIN, FGM, ACCURACY, SAY, PATH, ANY, DATA, FIT, NAMED, MANY]
CATALOGUE = Catalogue(
    [
        *TASKS,
        task("twin", plugin="mine", module="a"),
        task("twin", plugin="mine", module="b"),
        task("own", plugin="mine"),
    ],
    artifact_types={"mine": ["waveform"]},
)
