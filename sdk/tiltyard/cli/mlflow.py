"""`tiltyard mlflow`: into MLflow's pages with a browser, and how MLflow's own client comes in."""

import webbrowser
from typing import Annotated

import typer

from tiltyard.cli.connected import connected
from tiltyard.cli.options import AsJson
from tiltyard.cli.show import on_terminal, print_json, write


def mlflow(
    browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the address in this machine's browser.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Open MLflow's pages in a browser; prints the address, which is good once, for half a minute.

    Programs set MLFLOW_TRACKING_URI to the testbed's address with /mlflow behind it, and MLFLOW_TRACKING_TOKEN to a token.
    """
    with connected(as_json=as_json) as client:
        entrance = client.mlflow_entrance()
        if as_json:
            print_json({"entrance": entrance, "tracking_uri": client.mlflow_url})
            return
        write(f"{entrance}\n")
        if browser and on_terminal() and not webbrowser.open(entrance):
            write("tiltyard: open it in a browser within half a minute\n", err=True)
