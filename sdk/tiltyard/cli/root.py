"""The root of the command line: which verbs there are, and where each is found when it is used.

The verbs of the base install are named here. Those of the server install (`up`, `gateway`, `worker`, ...) are entry points
of the group `tiltyard.commands`: they are found by their names, and imported only when one of them is run or asked for
its help, so that `tiltyard ls` loads no server.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

GROUP = "tiltyard.commands"

OWN = {
    "submit": ("tiltyard.cli.submit:submit", "Submit a job; prints its id."),
    "ls": ("tiltyard.cli.jobs:ls", "List jobs, newest first."),
    "status": ("tiltyard.cli.status:status", "Show a job as it stands."),
    "logs": ("tiltyard.cli.logs:logs", "Print what a job printed; -f goes on to its end."),
    "events": ("tiltyard.cli.events:events", "Print a job's history; -f goes on to its end."),
    "wait": ("tiltyard.cli.jobs:wait", "Wait for jobs to end; the exit code tells how."),
    "why": ("tiltyard.cli.why:why", "Say what a job waits for, and how its attempts ended."),
    "cancel": ("tiltyard.cli.cancel:cancel", "Ask for the end of jobs, by name or by filter."),
    "retry": ("tiltyard.cli.again:retry", "Submit jobs that failed once more."),
    "clone": ("tiltyard.cli.again:clone", "Submit a job like another one, with other values."),
    "manifest": ("tiltyard.cli.manifest:manifest", "Print what determined a job, and what it came to."),
    "replay": ("tiltyard.cli.replay:replay", "Run a job again, and say if it comes to the same."),
    "compare": ("tiltyard.cli.compare:compare", "Show in what jobs differ."),
    "export": ("tiltyard.cli.bundle:export", "Write an experiment's ended jobs into one file."),
    "import": ("tiltyard.cli.bundle:import_", "Take in such a file from another testbed."),
    "mlflow": ("tiltyard.cli.mlflow:mlflow", "Open MLflow's pages in a browser."),
    "metrics": ("tiltyard.cli.metrics:metrics", "Show a job's metrics, or the history of one."),
    "results": (
        "tiltyard.cli.results:results",
        "Show an experiment's jobs, parameters and metrics.",
    ),
    "sweep": ("tiltyard.cli.sweep:sweep", "Submit, list, steer and show many jobs as one."),
    "artifacts": ("tiltyard.cli.artifacts:artifacts", "List, fetch, add and share the files of a job."),
    "model": ("tiltyard.cli.model:model", "Register, find and fetch models that jobs trained."),
    "plugin": ("tiltyard.cli.plugin:plugin", "Push, list and choose plugins; begin one of yours."),
    "task": ("tiltyard.cli.task:task", "Find tasks, and see what each takes and gives."),
    "experiment": ("tiltyard.cli.experiment:experiment", "List, make and remove experiments."),
    "queue": ("tiltyard.cli.queue:queue", "List, make, pause and resume queues."),
    "worker": ("tiltyard.cli.worker:worker", "Start a worker here; list, drain and stop workers."),
    "history": ("tiltyard.cli.history:history", "List and read jobs that ended long ago; export more."),
}
"""Verb: where it is, and its line in `tiltyard --help`."""

INSTALLED = {
    "up": "Start a whole testbed on this machine.",
    "demo": "Run the bundled attack on a testbed of its own.",
    "run": "Run an entry point on this machine, without a testbed.",
    "import-dioptra": "Make plugins and entry points of a dioptra.toml.",
    "doctor": "Tell what this machine offers a worker, and lacks.",
    "gateway": "Run a gateway of a production site.",
    "db": "Bring a production site's database up to date.",
    "token": "Make, list and revoke tokens.",
}
"""The lines in `tiltyard --help` of the server install's verbs, which are not imported to be listed."""


class Later(TyperCommand):
    """A verb that is imported when it is run."""

    def __init__(self, name: str, target: str, line: str) -> None:
        super().__init__(name=name, help=line, rich_markup_mode=None)
        self._target = target

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the arguments with the command itself."""
        return load(self._target).make_context(info_name, args, parent=parent, **extra)


class Root(TyperGroup):
    """All the verbs."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The base install's verbs, then those that other packages add."""
        del ctx
        return [*OWN, *(name for name in _added() if name not in OWN)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A verb that knows its name and its line, and nothing else yet."""
        del ctx
        if cmd_name in OWN:
            return Later(cmd_name, *OWN[cmd_name])
        if point := _added().get(cmd_name):
            return Later(cmd_name, point.value, INSTALLED.get(cmd_name, f"Added by {point.module}."))
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that is meant; the suggestions for a mistyped one come from `commands`."""
        self.commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        return super().resolve_command(ctx, args)


def load(target: str) -> Any:
    """The command at `module:name`: a function, or an app with verbs of its own."""
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        if module.startswith("tiltyard."):
            raise
        typer.echo(
            f"tiltyard: this needs the server install: pip install 'tiltyard[embedded]' (there is no {missing.name} here)",
            err=True,
        )
        raise typer.Exit(1) from missing
    if isinstance(found, typer.Typer):
        found.rich_markup_mode = None
        return get_group(found)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(found)
    return get_command(app)


def added(name: str) -> EntryPoint | None:
    """The entry point that a package adds under this name."""
    return _added().get(name)


def _added() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


app = typer.Typer(
    cls=Root,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tiltyard, a testbed for machine-learning security: run, track and compare attacks and defences.",
    epilog="Commands that print an answer take --json. A job is named by its id or by the beginning of it.",
)


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", is_eager=True, help="Print the version and exit."),
) -> None:
    if version:
        from tiltyard import __version__  # noqa: PLC0415 - as it is used

        typer.echo(__version__)
        raise typer.Exit


root = app
