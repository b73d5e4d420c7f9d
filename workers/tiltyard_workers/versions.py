"""What is installed here, read without importing any of it."""

import platform
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "tiltyard", "numpy", "scikit-learn", "adversarial-robustness-toolbox", "mlflow", "prefect", "torch", "tensorflow",
)  # fmt: skip


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """The installed versions of Python and of packages; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
