import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread_each():
    """On a busy machine, threads that wait for each other make a second of linear algebra minutes."""
    with threadpool_limits(1):
        yield
