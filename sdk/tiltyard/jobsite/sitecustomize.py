"""Run at the start of every Python in a job: has Prefect's flows and tasks tell of themselves, should they be imported.

Every start pays for this file, so it imports nothing that is not there already, and waits: only when Prefect's own modules
are loaded are the hooks put on. It stands in front of another `sitecustomize` that this installation may have, which is run.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

WATCHED = ("prefect.flows", "prefect.tasks", "prefect.task_engine")


class Watch:
    """Stands before the other finders, and has the modules that are watched told of when they are loaded."""

    @classmethod
    def find_spec(cls, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        """The spec that the other finders have, if the module is watched."""
        if name not in WATCHED:
            return None
        others = (finder for finder in sys.meta_path if finder is not cls)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_watch(module: "ModuleType") -> None:
            load(module)
            from tiltyard.telling import watch  # noqa: PLC0415 - only a job with flows needs it

            watch(module)

        spec.loader.exec_module = load_and_watch  # type: ignore[method-assign]
        return spec


def run_the_other() -> None:
    """Run the `sitecustomize` that this file hides."""
    here = os.path.dirname(os.path.abspath(__file__))
    elsewhere = [path for path in sys.path if os.path.abspath(path or ".") != here]
    for finder in sys.meta_path:
        if getattr(finder, "__name__", "") == "PathFinder":
            spec = finder.find_spec("sitecustomize", elsewhere)
            if spec is not None and spec.loader is not None:
                module = type(sys)("sitecustomize")
                module.__file__, module.__spec__ = spec.origin, spec
                spec.loader.exec_module(module)
            return


if os.environ.get("TILTYARD_SOCKET"):
    sys.meta_path.insert(0, Watch)
run_the_other()
