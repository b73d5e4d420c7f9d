"""`tiltyard sweep status`: one sweep as it stands, a line for each thing there is to say."""

import typer

from tiltyard.cli.show import age, lasted, local, on_terminal, print_json, safe
from tiltyard.cli.sweep_wait import counts
from tiltyard.wire.sweeps import Axis, Sweep


def show_status(found: Sweep, *, as_json: bool) -> None:
    """Print how a sweep stands."""
    if as_json:
        print_json(found)
        return
    shown = safe if on_terminal() else str
    for name, value in _lines(found):
        if value:
            typer.echo(f"{name:<12} {shown(value)}" if on_terminal() else f"{name}\t{value}")


def _lines(found: Sweep) -> list[tuple[str, str]]:
    drawn = f", seed {found.seed}" if found.seed is not None else ""
    return [
        ("sweep", found.id),
        ("state", found.state.value),
        ("progress", f"{found.progress:.0%} of {found.cells} cells"),
        ("jobs", counts(found)),
        ("held back", str(found.held) if found.held else ""),
        ("reused", str(found.reused) if found.reused else ""),
        ("left", f"about {lasted(found.eta)}" if found.eta is not None else ""),
        ("at a time", str(found.max_parallel or "")),
        ("experiment", found.experiment),
        ("entry point", found.entry_point),
        *((f"  {name}", str(value)) for name, value in found.parameters.items()),
        ("mode", f"{found.mode.value}{drawn}"),
        *((f"  {axis.parameter}", _values(axis)) for axis in found.axes),
        ("queue", found.queue),
        ("created", f"{local(found.created_at)} ({age(found.created_at)} ago)"),
        ("cancelled", local(found.cancelled_at) if found.cancelled_at else ""),
        ("description", found.description),
        ("tags", " ".join(found.tags)),
        ("archive", found.archive),
    ]


def _values(axis: Axis) -> str:
    values = axis.values or []
    told = ", ".join(map(str, values[:12]))
    return f"{told}, … ({len(values)})" if len(values) > 12 else told
