"""`tiltyard compare`: in what jobs differ, by their manifests."""

import json
from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson, JobIds
from tiltyard.cli.show import print_json, print_table
from tiltyard.comparing import Difference, differences
from tiltyard.wire.model import Json

FEWEST, MOST = 2, 10
LONGEST = 12
"""Characters of a digest that a person is shown."""


def compare(
    job: JobIds,
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same in all of them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show in what two to ten jobs differ: parameters, inputs, plugins, environment, how they ended, metrics, files."""
    if not FEWEST <= len(job) <= MOST:
        raise typer.BadParameter(f"name {FEWEST} to {MOST} jobs", param_hint="ID...")
    with connected(as_json=as_json) as client:
        manifests = [client.manifest(one) for one in job]
    found = differences(manifests, everything=everything)
    if as_json:
        jobs: list[Json] = [manifest.job for manifest in manifests]
        print_json({"jobs": jobs, "facts": [one.model_dump(mode="json") for one in found]})
        return
    columns = ("FACT", *(manifest.job[:8] for manifest in manifests))
    print_table(columns, map(_row, found), empty="They differ in nothing.")


def _row(one: Difference) -> list[str]:
    return [one.fact, *map(_cell, one.values)]


def _cell(value: Json) -> str:
    if value is None:
        return "-"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(_short(word) for word in value.split(" "))


def _short(word: str) -> str:
    return word[:LONGEST] if len(word) == 64 and not set(word) - set("0123456789abcdef") else word
