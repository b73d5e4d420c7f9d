"""What a cell is known by: the digest of all that determines what it comes to, however it was written down."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tiltyard.canonical import digest_of
from tiltyard.wire.model import Json
from tiltyard.wire.plugins import PluginPin
from tiltyard_orchestrator.domain.inputs import AnyInput, FoundModel, Models


def cell_digest(
    *,
    archive: str,
    entry_point: str,
    parameters: Mapping[str, Json],
    inputs: Mapping[str, str],
    plugins: Sequence[PluginPin],
) -> str:
    """The digest of a job's archive, entry point, parameters, inputs and plugin versions.

    Args:
        archive: its SHA-256.
        entry_point: its name.
        parameters: every declared one, defaults filled in.
        inputs: by parameter, what it stands for: `artifact:JOB/PATH`, or `model:NAME/VERSION` for whatever alias.
        plugins: the versions that the job is given.
    """
    return digest_of(
        {
            "archive": archive,
            "entry_point": entry_point,
            "parameters": {name: plain(value) for name, value in parameters.items() if name not in inputs},
            "inputs": dict(inputs),
            "plugins": sorted([pin.name, pin.version, pin.sha256] for pin in plugins),
        }
    )


def references(inputs: Collection[AnyInput], models: Models) -> dict[str, str]:
    """By parameter, what each input stands for: of a model the version, whatever alias it was named by."""
    found: dict[str, str] = {}
    for one in inputs:
        model = models.get(one.reference)
        found[one.parameter] = model.reference if isinstance(model, FoundModel) else one.reference
    return found


def plain(value: Json) -> Any:
    """A value of which 1 and 1.0 are one spelling, and 0.0 and -0.0."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [plain(item) for item in value]
        case _:
            return value
