"""Gateways as processes on one database, behind one address; the tests themselves play the worker."""

import asyncio
import contextlib
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.api.conftest import PROJECT, log_of, packed
from tests.servers import PATIENCE, answers, free_port, wait_for
from tests.stream.balancer import Balancer

ROOT = Path(__file__).parents[2]
TILTYARD = str(Path(sys.executable).parent / "tiltyard")
USER, WORKER = "ty_user-of-the-stream-tests", "tyw_worker-of-the-stream-tests"


@dataclass(eq=False)
class Gateway:
    """A gateway process, which can be killed and started again on its port."""

    settings: dict[str, str]
    log: Path
    pace: Mapping[str, float] | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and come back when it answers or has ended."""
        usual = [TILTYARD, "gateway", "--port", str(self.port)]
        paced = [sys.executable, "-m", "tests.stream.paced", str(self.port), _json(self.pace)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                usual if self.pace is None else paced, env=os.environ | self.settings, cwd=ROOT, stdout=log, stderr=log
            )  # fmt: skip
        process = self.process
        wait_for(lambda: answers(self.port) or process.poll() is not None)
        assert process.poll() is None, self.log.read_text()[-3000:]

    def kill(self) -> None:
        """End it as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def rss(self) -> int:
        """Bytes of memory that it holds now."""
        assert self.process is not None
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def clients(self) -> set[int]:
        """The ports of those whose connections it holds."""
        assert self.process is not None
        every = psutil.Process(self.process.pid).net_connections("tcp")
        return {one.raddr.port for one in every if one.laddr.port == self.port and one.raddr}


def _json(pace: Mapping[str, float] | None) -> str:
    import json

    return json.dumps(pace or {})


@dataclass(eq=False)
class Site:
    """Gateways behind one address, and what users and workers do there."""

    gateways: list[Gateway]
    settings: dict[str, str]
    balancer: Balancer
    http: httpx.AsyncClient
    home: Path
    entrance: Gateway | None = None
    """Where the tests' own requests go, if not to whoever the balancer chooses."""

    @property
    def url(self) -> str:
        """The address of all."""
        return self.balancer.url

    @property
    def log(self) -> str:
        """What the gateways have logged."""
        return "".join(gateway.log.read_text() for gateway in self.gateways)

    async def send(
        self, method: str, path: str, *, token: str = USER, within: float = PATIENCE, **rest: Any
    ) -> httpx.Response:
        """Send a request until one of the gateways answers it."""
        headers = {"Authorization": f"Bearer {token}"}
        entrance = self.entrance or self.balancer
        async with asyncio.timeout(within):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    answer = await self.http.request(
                        method, f"{entrance.url}/api/v1{path}", headers=headers, **rest
                    )
                    if answer.status_code < 500:
                        assert answer.is_success, answer.text
                        return answer
                await asyncio.sleep(0.1)

    async def submit(self, **wanted: Any) -> str:
        """A queued job, in a queue that no other job is in."""
        archive = (await self.send("POST", "/archives", content=packed(MLproject=PROJECT))).json()["sha256"]
        queue = f"q{secrets.token_hex(4)}"
        await self.send("POST", "/queues", json={"name": queue})
        asked = {"experiment": "stream", "archive": archive, "queue": queue} | wanted
        return str((await self.send("POST", "/jobs", json=asked)).json()["id"])

    async def claim(self, job: str) -> "Attempt":
        """Take a job, as a worker does that was told of it."""
        queue = (await self.send("GET", f"/jobs/{job}")).json()["queue"]
        token = f"tya_{secrets.token_hex(20)}"
        asked = {"worker": "w1", "token": token}
        claim = (await self.send("POST", f"/queues/{queue}/claim", token=WORKER, json=asked)).json()
        assert claim["job"] == job
        return Attempt(self, job, claim["epoch"], token)

    async def running(self, **wanted: Any) -> "Attempt":
        """A job that a worker has just begun."""
        return await self.claim(await self.submit(**wanted))

    def environment(self) -> dict[str, str]:
        """What a user's shell holds."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TILTYARD_")}
        here = {"TILTYARD_URL": self.url, "TILTYARD_TOKEN": USER, "XDG_CONFIG_HOME": str(self.home)}
        return clean | here


@dataclass(eq=False)
class Attempt:
    """A claimed job, and what its supervisor says of it; said again until somebody takes it."""

    site: Site
    job: str
    epoch: int
    token: str
    sent: int = 0

    async def report(self, *events: dict[str, Any]) -> None:
        """Report events."""
        await self._post("report", {"first": self.sent, "events": events})
        self.sent += len(events)

    async def print(self, *texts: str) -> None:
        """Report printed text."""
        await self.report(*map(log_of, texts))

    async def finish(self) -> int:
        """End the job.

        Returns:
            The `seq` of its last event.
        """
        await self._post("finish", {"first": self.sent, "state": "succeeded"})
        return self.sent + 2

    async def _post(self, call: str, body: dict[str, Any]) -> None:
        await self.site.send("POST", f"/attempts/{self.job}/{self.epoch}/{call}", token=self.token, json=body)


@asynccontextmanager
async def running_site(
    folder: Path, settings: dict[str, str], *paces: Mapping[str, float] | None
) -> AsyncIterator[Site]:
    """A gateway for each pace, None for the usual one, behind one address."""
    gateways = [
        Gateway(settings, folder / f"gateway-{number}.log", pace) for number, pace in enumerate(paces)
    ]
    balancer = Balancer(*(gateway.port for gateway in gateways))
    try:
        await asyncio.gather(*(asyncio.to_thread(gateway.start) for gateway in gateways))
        with balancer.running():
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http:
                yield Site(gateways, settings, balancer, http, folder)
    finally:
        for gateway in gateways:
            gateway.kill()
