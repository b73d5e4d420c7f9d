"""What references mean in a graph: the types that parameters, artifact inputs and steps give."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tiltyard.wire.archives import Parameter
from tiltyard.wire.plugins import Kind, Task, TaskOutput, Type
from tiltyard_orchestrator.domain.graph.fitting import fits, parameter_type
from tiltyard_orchestrator.domain.graph.references import Reference
from tiltyard_orchestrator.domain.graph.suggestions import Suggestions
from tiltyard_orchestrator.domain.graph.values import Graph, Step

_SUGGESTED = 3


@dataclass(frozen=True, kw_only=True)
class Unresolved:
    """A reference that means nothing; the message says what would."""

    code: str
    detail: str


class Scope:
    """Everything that can be referred to."""

    def __init__(
        self,
        graph: Graph,
        parameters: list[Parameter],
        tasks: Mapping[str, Task],
        suggestions: Suggestions,
    ) -> None:
        self._graph = graph
        self._suggestions = suggestions
        self._unresolved: dict[Reference, Unresolved] = {}
        self._tasks = tasks
        self._parameters = {
            one.name: graph.structured.get(one.name) or parameter_type(one) for one in parameters
        }
        # A declared artifact input is given like a parameter; what it holds is what refers to it.
        for name in graph.inputs:
            self._parameters.pop(name, None)

    def type_of(self, found: Reference) -> Type | Unresolved:
        """Return the type of what `found` refers to, or why it refers to nothing."""
        if found.name in self._parameters:
            if found.output is None:
                return self._parameters[found.name]
            detail = f"{found}: {found.name!r} is a parameter, which has no outputs: write ${found.name}"
            return Unresolved(code="unknown_output", detail=detail)
        if found.name in self._graph.inputs:
            return self._output(found, self._graph.inputs[found.name].outputs)
        if found.name in self._graph.steps:
            return self._of_step(found)
        if self._graph.unread.has(found.name):
            return Type()
        if found not in self._unresolved:
            self._unresolved[found] = self._unknown(found)
        return self._unresolved[found]

    def known(self, found: Reference) -> Type:
        """Return the type of what `found` refers to; anything where that is told elsewhere."""
        kind = self.type_of(found)
        return kind if isinstance(kind, Type) else Type()

    def suggestion(self, wanted: Type, without: str) -> str:
        """Return ` (such as $a, $b)`: what gives this very kind, and not the step `without`."""
        if wanted.kind is Kind.any or not self._suggestions.another():
            return ""
        fit = [
            str(reference)
            for reference, kind in self._everything(without)
            if kind.kind is not Kind.any and _same_sort(kind, wanted) and fits(kind, wanted)
        ]
        return f" (such as {', '.join(fit[:_SUGGESTED])})" if fit else ""

    def _of_step(self, found: Reference) -> Type | Unresolved:
        step, task = self._graph.steps[found.name], self._tasks.get(found.name)
        if task is None:
            return Type()
        kind = self._output(found, task.outputs)
        return (
            Type(kind=Kind.list, of=[kind]) if step.foreach is not None and isinstance(kind, Type) else kind
        )

    def _output(self, found: Reference, outputs: list[TaskOutput]) -> Type | Unresolved:
        names = [one.name for one in outputs]
        if found.output is None:
            if len(outputs) == 1:
                return outputs[0].type
            if not outputs:
                return Unresolved(code="no_output", detail=f"{found}: the step {found.name!r} has no output")
            choice = ", ".join(f"${found.name}.{name}" for name in names)
            return Unresolved(
                code="output_needed", detail=f"{found} has {len(names)} outputs: write one of {choice}"
            )
        for one in outputs:
            if one.name == found.output:
                return one.type
        hint = self._suggestions.among(found.output, names, ": it has") if names else ": it has none"
        detail = f"{found}: {found.name!r} has no output {found.output!r}{hint}"
        return Unresolved(code="unknown_output", detail=detail)

    def _unknown(self, found: Reference) -> Unresolved:
        names = [*self._parameters, *self._graph.inputs, *self._graph.steps]
        hint = self._suggestions.among(found.name, names, ": known are")
        what = "step" if found.output is not None else "parameter or step"
        detail = f"{found}: there is no {what} {found.name!r}{hint} ($$ is a dollar sign)"
        return Unresolved(code="unknown_reference", detail=detail)

    def _everything(self, without: str) -> Iterator[tuple[Reference, Type]]:
        for name, kind in self._parameters.items():
            yield Reference(name=name), kind
        outputs = {name: one.outputs for name, one in self._graph.inputs.items()}
        outputs |= {name: task.outputs for name, task in self._tasks.items() if name != without}
        for name, given in outputs.items():
            for one in given:
                reference = Reference(name=name, output=one.name if len(given) > 1 else None)
                yield reference, self.known(reference)


def _same_sort(kind: Type, wanted: Type) -> bool:
    return kind.kind is wanted.kind or any(
        _same_sort(kind, one) for one in wanted.of if wanted.kind is Kind.union
    )


def item_type(step: Step, scope: Scope) -> Type:
    """Return the type of `$item` in a step with `foreach`."""
    if isinstance(step.foreach, Reference):
        listed_type = scope.known(step.foreach)
        return listed_type.of[0] if listed_type.kind is Kind.list and listed_type.of else Type()
    return Type()
