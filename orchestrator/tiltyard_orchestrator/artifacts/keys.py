"""The names that artifacts have in the store."""

UPLOADED = 0
"""The epoch of what callers add to a job; an attempt's is 1 or more."""


def artifact_key(job: str, epoch: int, path: str, sha256: str) -> str:
    """Where the store keeps an artifact: attempts never write over each other's, and callers never over another caller's."""
    return f"{job}/{epoch}/{sha256 if epoch == UPLOADED else path}"
