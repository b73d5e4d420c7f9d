"""An S3 bucket as a store, through MinIO's client, which blocks: its calls run on threads of their own.

Object tags are never used: some servers write them over the object's bytes.
"""

import asyncio
import errno
import re
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from tiltyard_orchestrator.artifacts.store import CHUNK, Missing, StoreAway, StoreFull, place

Answer = TypeVar("Answer")

THREADS = 16
NOT_THERE = frozenset({"NoSuchKey", "NoSuchObject", "ResourceNotFound"})
FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "EntityTooLarge", "InsufficientStorage"})
TOO_LARGE = "EntityTooLarge"
"""Of one object: there may be room for others."""
REMEMBER_FULL_SECONDS = 300.0
"""How long a server is taken for full that said so, unless it takes something meanwhile: S3 has no call that asks for room."""
MADE_ALREADY = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


class S3Store:
    """Keeps bytes in a bucket.

    Args:
        endpoint: `https://host:port`, or `http://…` without TLS.
        bucket: made when it is missing.
        access_key: the key's name.
        secret_key: the key.
        region: the bucket's region, where the server wants one.
        public_endpoint: where callers reach the server; None: they do not.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str | None = None,
        public_endpoint: str | None = None,
    ) -> None:
        self._bucket = bucket
        self._bucket_is_there = False
        self._full_at = float("-inf")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        known = {"access_key": access_key, "secret_key": secret_key, "region": region or "us-east-1"}
        self._public = _client(public_endpoint, **known) if public_endpoint else None
        self._client = _client(
            endpoint,
            **known,
            http_client=urllib3.PoolManager(
                maxsize=THREADS,
                timeout=urllib3.Timeout(connect=5, read=60),
                retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
            ),
        )

    async def ready(self) -> bool:
        """Whether the server answers and the bucket is there; it is made if it is not."""
        try:
            await self._on_thread(self._find_bucket)
        except OSError:
            return False
        return True

    async def has_room(self) -> bool:
        """Whether the last upload found room, if there was one within minutes."""
        return time.monotonic() - self._full_at > REMEMBER_FULL_SECONDS

    async def put(self, key: str, source: Path) -> None:
        """Upload a file; the object appears when it is whole."""
        await self._on_thread(self._put, place(key), source)

    async def size(self, key: str) -> int | None:
        """The size of an object."""
        try:
            found = await self._on_thread(self._client.stat_object, self._bucket, place(key))
        except Missing:
            return None
        return int(found.size or 0)

    async def read(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """Download an object, or a part of it."""
        if length == 0:
            return
        # The client takes a length of 0 for all that is left.
        ask = self._client.get_object
        answer: Any = await self._on_thread(ask, self._bucket, place(key), start, length or 0)
        try:
            while chunk := await self._on_thread(answer.read, CHUNK):
                yield chunk
        finally:
            answer.close()
            answer.release_conn()

    async def link(self, key: str, *, disposition: str, seconds: int) -> str | None:
        """A pre-signed address of the server itself; it is made without asking the server."""
        public = self._public
        if public is None:
            return None
        answer_with = {
            "response-content-disposition": disposition,
            "response-content-type": "application/octet-stream",
        }
        return await self._on_thread(
            lambda: public.presigned_get_object(
                self._bucket, place(key), timedelta(seconds=seconds), response_headers=answer_with
            )
        )

    async def delete(self, key: str) -> None:
        """Remove an object."""
        try:
            await self._on_thread(self._client.remove_object, self._bucket, place(key))
        except Missing:
            return

    def _put(self, name: str, source: Path) -> None:
        if not self._bucket_is_there:
            self._find_bucket()
        self._client.fput_object(self._bucket, name, str(source))
        self._full_at = float("-inf")

    def _find_bucket(self) -> None:
        if not self._client.bucket_exists(self._bucket):
            try:
                self._client.make_bucket(self._bucket)
            except S3Error as error:
                if error.code not in MADE_ALREADY:  # by another gateway, at the same moment
                    raise
        self._bucket_is_there = True

    async def _on_thread(self, call: Callable[..., Answer], *arguments: object) -> Answer:
        """Run a call of the client, and say what went wrong in the store's own words."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)
        except (MinioException, urllib3.exceptions.HTTPError, ValueError) as error:
            code = _code_of(error)
            if code in NOT_THERE:
                raise Missing(str(arguments)) from error
            if code in FULL:
                self._full_at = self._full_at if code == TOO_LARGE else time.monotonic()
                raise StoreFull(errno.ENOSPC, f"the bucket {self._bucket} has no room left") from error
            raise StoreAway(f"the object store did not answer as it should: {code or error}") from error


def _client(endpoint: str, **known: Any) -> Minio:
    parts = urlsplit(endpoint)
    return Minio(parts.netloc, secure=parts.scheme == "https", **known)


def _code_of(error: Exception) -> str | None:
    if isinstance(error, S3Error):
        return str(error.code)
    # Some servers' errors are XML under a content type that the client does not take for XML.
    named = re.search(r"<Code>(\w+)</Code>", str(error))
    return named[1] if named else None
