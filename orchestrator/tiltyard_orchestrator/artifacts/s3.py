"""An S3 bucket as a store, through MinIO's client, which blocks: each call has a thread to itself.

Object tags are never used: some servers write them over the object's bytes.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import S3Error

from tiltyard_orchestrator.artifacts.store import CHUNK, Missing, StoreFull

NOT_THERE = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}
FULL = {"XMinioStorageFull", "QuotaExceeded", "EntityTooLarge", "InsufficientStorage"}


class S3Store:
    """Keeps bytes in a bucket.

    Args:
        endpoint: `https://host:port`, or `http://…` without TLS.
        bucket: made when it is missing.
        access_key: the key's name.
        secret_key: the key.
        region: the bucket's region, where the server wants one.
    """

    def __init__(
        self, endpoint: str, *, bucket: str, access_key: str, secret_key: str, region: str | None = None
    ) -> None:
        parts = urlsplit(endpoint)
        self._bucket = bucket
        self._client = Minio(
            parts.netloc,
            access_key=access_key,
            secret_key=secret_key,
            secure=parts.scheme == "https",
            region=region or "us-east-1",
            http_client=urllib3.PoolManager(
                maxsize=16,
                timeout=urllib3.Timeout(connect=5, read=60),
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            ),
        )

    async def ready(self) -> bool:
        """Whether the server answers and the bucket is there; it is made if it is not."""
        try:
            await asyncio.to_thread(self._ensure_bucket)
        except Exception:  # noqa: BLE001 - the client has many ways to say that it could not
            return False
        return True

    async def put(self, key: str, source: Path) -> None:
        """Upload a file; the object appears when it is whole."""
        try:
            await asyncio.to_thread(self._client.fput_object, self._bucket, key, str(source))
        except S3Error as error:
            if error.code in FULL:
                raise StoreFull(28, f"the bucket {self._bucket} has no room left") from error
            raise OSError(f"the object store did not take it: {error.code}") from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise OSError(f"the object store did not answer: {error}") from error

    async def size(self, key: str) -> int | None:
        """The size of an object."""
        try:
            found = await asyncio.to_thread(self._client.stat_object, self._bucket, key)
        except S3Error as error:
            if error.code in NOT_THERE:
                return None
            raise OSError(f"the object store did not answer: {error.code}") from error
        return int(found.size or 0)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Download an object."""
        try:
            answer = await asyncio.to_thread(self._client.get_object, self._bucket, key)
        except S3Error as error:
            if error.code in NOT_THERE:
                raise Missing(key) from error
            raise OSError(f"the object store did not answer: {error.code}") from error
        try:
            while chunk := await asyncio.to_thread(answer.read, CHUNK):
                yield chunk
        finally:
            answer.close()
            answer.release_conn()

    async def delete(self, key: str) -> None:
        """Remove an object."""
        await asyncio.to_thread(self._client.remove_object, self._bucket, key)

    def _ensure_bucket(self) -> None:
        if not self._client.bucket_exists(self._bucket):
            self._client.make_bucket(self._bucket)
