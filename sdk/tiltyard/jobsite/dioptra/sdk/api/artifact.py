"""How a kind of artifact says to write itself to a file, and to read itself back."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class ArtifactTaskInterface(ABC):
    """A kind of artifact: three static methods of a class that nobody makes an instance of."""

    @staticmethod
    @abstractmethod
    def serialize(working_dir: Path, name: str, contents: Any, **kwargs: Any) -> Path:
        """Write contents below a folder, under a name without its suffix; returns the file or folder that was written."""

    @staticmethod
    @abstractmethod
    def deserialize(working_dir: Path, path: str, **kwargs: Any) -> Any:
        """Read back what lies at a path below a folder."""

    @staticmethod
    @abstractmethod
    def validation() -> dict[str, Any] | None:
        """The JSON schema properties of the keyword arguments that `serialize` takes; None where it takes none."""
