"""Tasks are tested on small arrays: several threads would spend their time waiting for each other."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Let the numerical libraries use a single thread each."""
    with threadpool_limits(1):
        yield
