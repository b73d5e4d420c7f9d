"""`tiltyard manifest`: everything that determined what a job came to, and what it came to."""

import json

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, JobId
from tiltyard.cli.show import on_terminal, print_json, safe


def manifest(job: JobId, as_json: AsJson = False) -> None:
    """Print a job's manifest, as JSON: what ran, what it ran in, what it came to, with digests."""
    with connected(as_json=as_json) as client:
        found = client.manifest(job)
    if as_json:
        print_json(found)
        return
    text = json.dumps(found.model_dump(mode="json"), indent=2, ensure_ascii=False)
    typer.echo(safe(text) if on_terminal() else text)
