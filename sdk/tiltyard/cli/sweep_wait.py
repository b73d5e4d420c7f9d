"""Being at a sweep's side until it ends: one line that moves on a terminal, and an exit code that tells how it ended."""

import typer

from tiltyard.cli import exits
from tiltyard.cli.follow import walking_away
from tiltyard.cli.show import lasted, on_terminal, print_json
from tiltyard.client import Client
from tiltyard.wire.sweeps import Sweep, SweepState

LOOK_SECONDS = 1.0
QUIET_SECONDS = 30.0
"""Where nobody watches."""
CODES = {
    SweepState.succeeded: exits.OK,
    SweepState.failed: exits.FAILED,
    SweepState.cancelled: exits.CANCELLED,
}


def stay(client: Client, sweep: Sweep, *, as_json: bool) -> None:
    """Wait for a sweep's end, and exit as it ended.

    Raises:
        typer.Exit: with the code.
    """
    watched = on_terminal(err=True)
    with walking_away(sweep.id, f"sweep wait {sweep.id[:8]}", what="Sweep", end="sweep cancel"):
        while not sweep.state.final:
            if watched:
                typer.echo(f"\r\033[K{in_a_line(sweep)}", nl=False, err=True)
            sweep = client.look_at_sweep(sweep, within=LOOK_SECONDS if watched else QUIET_SECONDS)
    if watched:
        typer.echo("\r\033[K", nl=False, err=True)
    if as_json:
        print_json(sweep)
    else:
        typer.echo(how_it_ended(sweep))
    raise typer.Exit(CODES[sweep.state])


def in_a_line(sweep: Sweep) -> str:
    """How far a sweep is."""
    paused = "paused, " if sweep.state is SweepState.paused else ""
    left = f", about {lasted(sweep.eta)} left" if sweep.eta is not None else ""
    return f"{sweep.progress:.0%} of {sweep.cells}: {paused}{counts(sweep)}{left}"


def counts(sweep: Sweep) -> str:
    """How many cells stand how."""
    found = [f"{count} {state}" for state, count in sweep.jobs.items()]
    found += [f"{sweep.missing} removed"] if sweep.missing else []
    return ", ".join(found)


def how_it_ended(sweep: Sweep) -> str:
    """A sweep that has ended in one line."""
    return f"Sweep {sweep.id} {sweep.state.value}: {counts(sweep)}"
