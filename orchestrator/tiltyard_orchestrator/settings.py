"""Every setting of the gateway, the keeper and the database commands, in one place; each is an environment variable.

`TILTYARD_DATABASE_URL` sets `database_url`, and so on. Workers have settings of their own: they never see these.
"""

from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from tiltyard_orchestrator.domain.backoff import Backoff

HTTP = ("http://", "https://")
BROKERS = ("amqp://", "amqps://", "redis://", "rediss://")
BEGINNINGS = {"broker_url": BROKERS, "mlflow_url": (*HTTP, "unix:/")}
"""Of addresses that may be of another kind than HTTP."""


class Timing(BaseSettings):
    """The clocks of the protocol, in seconds. They only make sense together, so they are checked together."""

    model_config = SettingsConfigDict(env_prefix="TILTYARD_", frozen=True, extra="ignore")

    lease_seconds: float = Field(default=60, gt=0)
    """How long an attempt is believed to be alive after its last report."""
    renew_seconds: float = Field(default=15, gt=0)
    """How often a supervisor reports at least."""
    resend_seconds: float = Field(default=30, gt=0)
    """How long a published job may stay unclaimed before its bell is rung again."""
    dispatch_every: float = Field(default=1, gt=0)
    """How often the keeper looks for due jobs when nobody wakes it."""
    expire_every: float = Field(default=5, gt=0)
    """How often the keeper looks for leases that ran out."""
    worker_lost_after: float = Field(default=60, gt=0)
    """A worker not heard of for this long is shown as lost."""
    retry_seconds: float = Field(default=5, ge=0)
    """The pause before another attempt; doubled each time."""
    retry_longest_seconds: float = Field(default=300, ge=0)

    @property
    def backoff(self) -> Backoff:
        """The pauses between attempts."""
        return Backoff(first=self.retry_seconds, longest=self.retry_longest_seconds)

    @model_validator(mode="after")
    def _renews_in_time(self) -> Self:
        if self.renew_seconds * 2 > self.lease_seconds:
            msg = f"renew_seconds ({self.renew_seconds:g}) must be at most half of lease_seconds ({self.lease_seconds:g})"
            raise ValueError(msg)
        return self


class Settings(Timing):
    """What a gateway needs to know of its surroundings."""

    database_url: SecretStr
    """`postgresql+asyncpg://user:password@host/database`; a plain `postgresql://` is read as that."""
    broker_url: SecretStr
    """`amqp://…` (RabbitMQ) or `redis://…` (the embedded broker)."""

    store_dir: Path | None = None
    """The folder that keeps archives and artifacts, where no S3 is given."""
    s3_endpoint: str | None = None
    """`https://host:port`; `http://` for a store without TLS."""
    s3_bucket: str = "tiltyard"
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_region: str | None = None
    s3_public_endpoint: str | None = None
    """Where callers reach the store themselves: links to artifacts lead there. None: links lead to the gateway."""

    mlflow_url: str | None = None
    """`http://host:port`; `unix:/path` where it listens on a socket in the file system, as the embedded one does."""
    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65535)
    keep_days: float | None = Field(default=None, gt=0)
    """Jobs that ended longer ago are exported to the store with their events, and leave the tables; None: never."""
    database_pool_size: int = Field(default=20, ge=2)
    bootstrap_token: SecretStr | None = None
    """A user's token, known to the gateway from its start."""
    worker_token: SecretStr | None = None
    """A token for workers, known to the gateway from its start."""

    @field_validator("database_url")
    @classmethod
    def _is_of_postgresql(cls, given: SecretStr) -> SecretStr:
        name_driver(given.get_secret_value())
        return given

    @field_validator("broker_url", "s3_endpoint", "s3_public_endpoint", "mlflow_url")
    @classmethod
    def _begins_well(cls, given: SecretStr | str | None, field: ValidationInfo) -> SecretStr | str | None:
        begins = BEGINNINGS.get(str(field.field_name), HTTP)
        text = given.get_secret_value() if isinstance(given, SecretStr) else given
        if text is not None and not text.startswith(begins):
            msg = f"it begins with {' or '.join(begins)}"
            raise ValueError(msg)
        return given

    @model_validator(mode="after")
    def _has_one_store(self) -> Self:
        if (self.store_dir is None) == (self.s3_endpoint is None):
            msg = "set either TILTYARD_STORE_DIR or TILTYARD_S3_ENDPOINT: archives and artifacts need exactly one store"
            raise ValueError(msg)
        if self.s3_endpoint and not (self.s3_access_key and self.s3_secret_key):
            msg = "TILTYARD_S3_ENDPOINT needs TILTYARD_S3_ACCESS_KEY and TILTYARD_S3_SECRET_KEY"
            raise ValueError(msg)
        return self

    @cached_property
    def database(self) -> str:
        """The database URL with its driver named: SQLAlchemy's own default is another one."""
        return name_driver(self.database_url.get_secret_value())


def name_driver(url: str) -> str:
    """Say asyncpg in a PostgreSQL URL, whatever driver of it is named: others are not installed.

    Raises:
        ValueError: it is the URL of no PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in {"postgresql", "postgres"}:
        msg = "write it as postgresql://USER:PASSWORD@HOST/DATABASE"
        raise ValueError(msg)
    parsed = parsed.set(drivername="postgresql+asyncpg")
    return parsed.render_as_string(hide_password=False)
