"""Gathers the tasks of a package, and refuses two of one name."""

from collections.abc import Mapping, Sequence

from tiltyard.plugins.limits import TASKS
from tiltyard.plugins.locate import Package
from tiltyard.plugins.lookup import Known, Lookup
from tiltyard.plugins.options import Options, options_of
from tiltyard.plugins.problems import problem
from tiltyard.plugins.requirements import libraries_of
from tiltyard.plugins.signatures import Signature
from tiltyard.plugins.syntax import Function, Module, dotted_of
from tiltyard.wire.plugins import Kind, Task, TaskOutput
from tiltyard.wire.problems import ProblemItem

_ARTIFACT = "ArtifactTaskInterface"
"""What a class of Dioptra's inherits from that says how to save a kind of artifact."""


class Tasks:
    """The tasks of a package."""

    def __init__(self, package: Package, version: str, modules: Mapping[str, Module]) -> None:
        self.found: list[Task] = []
        self.conditional: list[str] = []
        self.problems: list[ProblemItem] = []
        self.artifact_types = False
        """Whether it says how to save kinds of artifacts, as Dioptra's plugins do."""
        self._version = version
        self._modules = modules
        self._lookup = Lookup(package.name, modules)
        self._declared = {(package.folder + one.filename, one.function): one for one in package.declared}
        self._places: dict[str, tuple[Module, Function, bool]] = {}
        for module in modules.values():
            self._read(module)

    def _read(self, module: Module) -> None:
        libraries = None
        for function, conditional in module.functions:
            options = self._options(function, module)
            if options is None:
                continue
            signature = Signature(function=function, module=module, lookup=self._lookup, options=options)
            if not self._is_new(signature, conditional):
                continue
            libraries = libraries if libraries is not None else self._libraries(module)
            self._add(signature, libraries)
            if conditional:
                self.conditional.append(f"{module.name}.{function.name}")
        self.artifact_types |= any(self._is_artifact(module, dotted_of(base)) for base in module.bases)

    def _options(self, function: Function, module: Module) -> Options | None:
        options, problems = options_of(function, module, self._lookup)
        self.problems += problems
        if options is None and (module.path, function.name) in self._declared:
            return Options(name=function.name, borrowed=True)
        return options

    def _libraries(self, module: Module) -> list[str]:
        return libraries_of(module.name, self._modules, self._lookup)

    def _add(self, signature: Signature, libraries: list[str]) -> None:
        module, function = signature.module, signature.function
        if len(self.found) >= TASKS:
            if len(self.found) == TASKS:
                self.problems.append(problem("", "too_large", f"it has more than {TASKS} tasks"))
            return
        task = signature.task(plugin=module.name.partition(".")[0], version=self._version, imports=libraries)
        declared = self._declared.get((module.path, function.name))
        if declared and declared.outputs is not None:
            task = task.model_copy(update={"outputs": _named(task.outputs, declared.outputs)})
        self.problems += signature.problems
        self.found.append(task)

    def _is_new(self, signature: Signature, conditional: bool) -> bool:
        """Whether no task of this name was met; one that a condition chooses between is met once."""
        module, function, name = signature.module, signature.function, signature.options.name
        met = self._places.get(name)
        if met is None:
            self._places[name] = module, function, conditional
            return True
        other, first, first_conditional = met
        if other is module and first.name == function.name and (conditional or first_conditional):
            return False
        detail = f"there are two tasks named {name}; the other is in {other.path}, line {first.lineno}"
        signature.task(plugin="", version="", imports=())  # what else is wrong with it is told with that
        self.problems += [problem(module.path, "duplicate_task", detail, function), *signature.problems]
        return False

    def _is_artifact(self, module: Module, parts: list[str] | None) -> bool:
        meaning = self._lookup.meaning(module, parts) if parts else None
        return isinstance(meaning, Known) and meaning.dotted.rpartition(".")[2] == _ARTIFACT


def _named(annotated: Sequence[TaskOutput], declared: Sequence[TaskOutput]) -> list[TaskOutput]:
    """Outputs under the names that are declared. An annotation tells more of the only one than a site's own word does."""
    match annotated, declared:
        case [one], [other] if one.type.kind is not Kind.any:
            return [one.model_copy(update={"name": other.name})]
        case _:
            return list(declared)
