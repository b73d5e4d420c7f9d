"""What a worker needs to know of where its jobs run and how much each may use. It needs the base install alone."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Self

from pydantic import BaseModel, ByteSize, Field

from tiltyard_workers.allowance import Allowance, allowance


class JobSettings(BaseModel):
    """The settings of a worker that bear on what a job may use."""

    scratch: Path = Field(default_factory=lambda: Path(gettempdir()) / "tiltyard-worker")
    """Jobs run in folders below it."""
    job_processes: int | None = Field(default=None, ge=16)
    """Processes and threads that a job may have at a time; 4,096 where it is not set, with 46 processors or more twice their
    square and 32,768 at most, and never more than half of what the kernel lets the worker have."""
    job_scratch_bytes: ByteSize | None = Field(default=None, ge=16 << 20)
    """Of the disk, such as `64GiB`, for a job's files; where it is not set what it is given
    and half of what is then free."""
    job_shm_bytes: ByteSize | None = Field(default=None, ge=1 << 20)
    """In a job's own /dev/shm; a quarter of the memory here where it is not set, and 64 MiB at least."""

    @classmethod
    def in_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """What a worker that is started here finds: `TILTYARD_SCRATCH` sets `scratch`.

        Raises:
            ValidationError: a value is not what it has to be.
        """
        names = {name: f"TILTYARD_{name.upper()}" for name in JobSettings.model_fields}
        return cls.model_validate(
            {name: environment[variable] for name, variable in names.items() if variable in environment}
        )

    def allowance(self, folder: Path, *, given: int = 0) -> Allowance:
        """What a job may use whose files are in a folder, where so many bytes were given to it.

        Raises:
            OSError: there is too little room for a job.
        """
        return allowance(
            folder,
            given=given,
            processes=self.job_processes,
            scratch_bytes=self.job_scratch_bytes,
            shm_bytes=self.job_shm_bytes,
        )
