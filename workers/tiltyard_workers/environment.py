"""What jobs run in here, read once when a worker starts, without importing any of it and without a hard need of anything.

What this machine does not tell is left empty: a job's provenance says what is known, and makes nothing up.
"""

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tiltyard.wire.environments import Environment, Gpu, Hardware, Platform

ASK_SECONDS = 10.0
"""How long a driver that hangs is asked for its processors."""
_MEBIBYTE = 1 << 20
_QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits")


def environment(packages: dict[str, str], *, image: str, image_digest: str) -> Environment:
    """What a worker with these packages runs its jobs in."""
    return Environment(
        image=image,
        image_digest=image_digest,
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=Platform(
            system=platform.system(),
            kernel=platform.release(),
            machine=platform.machine(),
            libc=" ".join(part for part in platform.libc_ver() if part),
        ),
        hardware=Hardware(cpu=_cpu(), cpus=_cpus(), memory=_memory(), gpus=gpus()),
        packages=packages,
    )


def gpus() -> list[Gpu]:
    """The graphics processors that NVIDIA's driver tells of; none where there is no driver."""
    if (asked := shutil.which("nvidia-smi")) is None:
        return []
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            [asked, *_QUERY], capture_output=True, text=True, timeout=ASK_SECONDS, check=True
        )
        return [found for line in answer.stdout.splitlines() if (found := _gpu(line))]
    return []


def _gpu(line: str) -> Gpu | None:
    name, memory, driver = ([part.strip() for part in line.split(",")] + ["", ""])[:3]
    if not name:
        return None
    return Gpu(name=name, memory=int(memory) * _MEBIBYTE if memory.isdigit() else None, driver=driver)


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor()


def _cpus() -> int | None:
    with suppress(AttributeError, OSError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory() -> int | None:
    with suppress(ValueError, OSError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None
