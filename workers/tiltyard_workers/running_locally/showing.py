"""Shows the events of a local run as `tiltyard logs -f` and `tiltyard events` show those of a job.

What the entry point prints goes to standard output as it comes; steps, metrics, progress and artifacts go to standard error.
With `--json` each event is an object on a line of its own.
"""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from tiltyard.cli.events import in_words
from tiltyard.cli.follow import LogPrinter
from tiltyard.cli.show import on_terminal, print_json, safe
from tiltyard.wire.events import Event, EventKind

LOCAL = "local"
"""The id of a job that is none."""


class Shown:
    """Takes what is told, from several threads, and shows it.

    Args:
        folder: what artifacts are named after, relative to it.
        as_json: whether for programs.
    """

    def __init__(self, folder: Path, *, as_json: bool) -> None:
        self._folder = folder
        self._as_json = as_json
        self._lock = threading.Lock()
        self._seq = 0
        self._printer = LogPrinter(stream=None, split=False)

    def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Show an event."""
        if kind == "artifact":
            data = self._artifact(Path(data["path"]))
        with self._lock:
            event = Event(
                job=LOCAL, seq=self._seq, at=datetime.now(UTC), kind=EventKind(kind), attempt=1, data=data
            )
            self._seq += 1
            self._show(event)

    def log(self, stream: str, text: str, *, partial: bool = False, dropped: int = 0) -> None:
        """Show what was printed."""
        more = {"partial": True} if partial else {}
        self.tell(
            "log", {"stream": stream, "text": text, **more, **({"dropped": dropped} if dropped else {})}
        )

    def finish(self) -> None:
        """Leave the cursor at the start of a line."""
        if not self._as_json:
            self._printer.finish()

    def _show(self, event: Event) -> None:
        if self._as_json:
            print_json(event)
        elif event.kind is EventKind.log:
            self._printer.print(event)
        else:
            words = f"  {event.kind.value:<8}  {safe(in_words(event))}"
            typer.secho(words, err=True, dim=on_terminal(err=True))

    def _artifact(self, path: Path) -> dict[str, Any]:
        size = path.stat().st_size if path.is_file() else 0
        inside = path.is_relative_to(self._folder)
        return {"path": str(path.relative_to(self._folder) if inside else path), "size": size}
