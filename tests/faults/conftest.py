"""What the tests of faults share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the processes of all yards keep their compiled code: compiling it takes longer than a short run."""
    folder = tmp_path_factory.mktemp("compiled")
    folder.chmod(0o755)
    return folder
