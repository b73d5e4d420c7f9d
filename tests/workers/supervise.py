"""Claims one job and runs it: what a pool's process does, as a process that a test can kill."""

import secrets
import sys
from pathlib import Path

from tests.workers.double import WORKER_TOKEN
from tiltyard.wire import ClaimRequest
from tiltyard_workers.fences.fence import Fence
from tiltyard_workers.gateway import Gateway
from tiltyard_workers.settings import WorkerSettings
from tiltyard_workers.supervisor.attempt import Attempt

url, job, scratch, name, how = sys.argv[1:]
gateway = Gateway(url, WORKER_TOKEN)
settings = WorkerSettings(
    url=url,
    worker_token=WORKER_TOKEN,
    broker_url="redis://127.0.0.1:1/0",
    scratch=Path(scratch),
)
del job
claim = gateway.claim("cpu", ClaimRequest(worker="w", token=f"tya_{secrets.token_urlsafe(32)}"))
Attempt(claim, gateway, settings, Fence(name=name, how=how)).run()
