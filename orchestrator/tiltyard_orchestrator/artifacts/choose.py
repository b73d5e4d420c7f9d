"""The store that the settings name."""

from tiltyard_orchestrator.artifacts.folder import FolderStore
from tiltyard_orchestrator.artifacts.store import Store
from tiltyard_orchestrator.settings import Settings


def choose_store(settings: Settings) -> Store:
    """A folder where one is set, else S3; the settings hold exactly one of them."""
    if settings.store_dir is not None:
        return FolderStore(settings.store_dir)
    from tiltyard_orchestrator.artifacts.s3 import S3Store  # noqa: PLC0415 - 0.3 s that a folder need not cost

    assert settings.s3_endpoint is not None
    assert settings.s3_access_key is not None
    assert settings.s3_secret_key is not None
    return S3Store(
        settings.s3_endpoint,
        bucket=settings.s3_bucket,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        region=settings.s3_region,
        public_endpoint=settings.s3_public_endpoint,
    )
