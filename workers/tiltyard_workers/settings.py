"""What a worker needs to know: where the gateway and the broker are, and where it may write. Never a database."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tiltyard_workers.job_settings import JobSettings


class WorkerSettings(BaseSettings, JobSettings):
    """The settings of a worker, each from the environment: `TILTYARD_URL` sets `url`."""

    model_config = SettingsConfigDict(env_prefix="TILTYARD_", frozen=True, extra="ignore")

    url: str = "http://127.0.0.1:8420"
    """The gateway's address."""
    worker_token: SecretStr
    broker_url: SecretStr
    prefect_url: str | None = None
    """Prefect's API for flows in jobs, where somebody else runs it; else the workers of a host run one."""
    prefect_secret: SecretStr | None = None
    """What the keys are made with that let jobs in there, where the workers run it: each worker makes its own."""
    prefect_events: bool = True
    """Whether flows tell that server of their tasks by events; the workers' own server has nobody who reads them."""
    archives: Path | None = None
    """Where archives are kept, for all workers of this host; in the scratch folder where it is not set."""
    hide: str = ""
    """Folders that no job may see, separated by colons; the scratch folder and the profile are hidden anyway."""
    grace_seconds: float = Field(default=10, ge=0)
    """Between asking a job to end and ending it."""
    log_bytes: int = Field(default=16 << 20, ge=1 << 16)
    """How much of an attempt's output is kept; what is above it is left out in the middle, and marked."""
    heartbeat_seconds: float = Field(default=5, gt=0)
    """How often a worker says that it is there; the answer is how an order to drain or to stop reaches it."""
    image: str = ""
    """The container image that this worker runs in."""
    image_digest: str = ""
    """That image's digest, which whoever starts the container knows: it stands in the manifests of its jobs."""
