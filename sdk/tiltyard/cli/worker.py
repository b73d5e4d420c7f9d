"""`tiltyard worker`: with a verb, about the workers of a testbed; without one, a worker on this machine.

Starting one is the server install's command: it gets every argument as it is, and is imported for nothing else.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson
from tiltyard.cli.root import added, load
from tiltyard.cli.show import age, as_plain, print_json, print_table
from tiltyard.wire.workers import WorkerOrder, WorkerState


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
    help="Start a worker here (`tiltyard worker --queue cpu`), list the workers (`tiltyard worker ls`), drain or stop one.",
    epilog="What starting takes: `tiltyard worker start --help`.",
)


@worker.callback()
def _worker() -> None:
    """Start a worker, or say which."""


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
                one.state.value if one.order is None else f"{one.state.value} (told to {one.order.value})",
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


Name = Annotated[str, typer.Argument(help="The worker's name, as `tiltyard worker ls` shows it.")]


@worker.command("drain")
def drain(name: Name, as_json: AsJson = False) -> None:
    """Have a worker finish its job and take nothing new, until it rejoins."""
    _order(name, WorkerOrder.drain, "takes nothing new from now on", as_json=as_json)


@worker.command("stop")
def stop(name: Name, as_json: AsJson = False) -> None:
    """Have a worker hand its job back, which does not count as an attempt, and end."""
    _order(name, WorkerOrder.stop, "hands back what it runs and ends within seconds", as_json=as_json)


@worker.command("rejoin")
def rejoin(name: Name, as_json: AsJson = False) -> None:
    """Have a drained worker take jobs again."""
    _order(name, None, "takes jobs again", as_json=as_json)


def _order(name: str, order: WorkerOrder | None, said: str, *, as_json: bool) -> None:
    with connected(as_json=as_json) as client:
        found = client.order_worker(name, order)
        if as_json:
            print_json(found)
            return
        lost = " It is lost, and will be told when it is back." if found.state is WorkerState.lost else ""
        typer.echo(f"Worker {found.id} {said}.{lost}", err=True)
