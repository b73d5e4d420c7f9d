"""`tiltyard worker`: with a verb, about the workers of a testbed; without one, a worker on this machine.

Starting one is the server install's command: it gets every argument as it is, and is imported for nothing else.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson
from tiltyard.cli.root import added, load
from tiltyard.cli.show import age, as_plain, print_json, print_table


class StartOrVerb(TyperGroup):
    """Hands whatever begins with none of its verbs to the command that starts a worker."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the arguments, here or there."""
        start = added("worker")
        if start is None or (args and args[0] in {*self.commands, "-h", "--help"}):
            return super().make_context(info_name, args, parent=parent, **extra)
        given = args[1:] if args[:1] == ["start"] else args
        return load(start.value).make_context(info_name, given, parent=parent, **extra)


worker = typer.Typer(
    cls=StartOrVerb,
    add_completion=False,
    rich_markup_mode=None,
    help="Start a worker here (`tiltyard worker --queue cpu`), or list the workers (`tiltyard worker ls`).",
    epilog="What starting takes: `tiltyard worker start --help`.",
)


@worker.callback()
def _worker() -> None:
    """Keep `worker` a group, although it has few verbs."""


@worker.command("ls")
def ls(as_json: AsJson = False) -> None:
    """List the workers, and what each runs now."""
    with connected(as_json=as_json) as client:
        found = list(client.workers())
        if as_json:
            print_json(as_plain(found))
            return
        rows = (
            [
                one.id,
                one.state.value,
                one.queue,
                one.host,
                one.image,
                one.job or "-",
                age(one.last_seen),
                one.fence,
            ]
            for one in found
        )
        columns = ("ID", "STATE", "QUEUE", "HOST", "IMAGE", "JOB", "SEEN", "FENCE")
        print_table(
            columns, rows, empty="No worker was heard of yet. Start one with `tiltyard worker --queue cpu`."
        )
