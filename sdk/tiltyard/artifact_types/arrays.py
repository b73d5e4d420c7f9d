"""Arrays as `.npy`, several of them as `.npz`. Arrays of Python objects are refused: their files would hold code."""

from pathlib import Path
from typing import Any


class Arrays:
    """The artifact type `array`: a numpy array or what turns into one; a mapping of names to arrays."""

    def save(self, value: Any, folder: Path, name: str) -> list[Path]:
        """Write `name.npy`, or `name.npz` for a mapping."""
        import numpy as np  # noqa: PLC0415 - the command line loads no libraries

        if isinstance(value, dict):
            path = folder / f"{name}.npz"
            arrays = {str(key): _plain(item) for key, item in value.items()}
            np.savez_compressed(path, allow_pickle=False, **arrays)
        else:
            path = folder / f"{name}.npy"
            np.save(path, _plain(value), allow_pickle=False)
        return [path]

    def load(self, path: Path) -> Any:
        """Return the array, or the mapping of arrays."""
        import numpy as np  # noqa: PLC0415

        loaded = np.load(path, allow_pickle=False)
        return {name: loaded[name] for name in loaded.files} if path.suffix == ".npz" else loaded


def _plain(value: Any) -> Any:
    import numpy as np  # noqa: PLC0415

    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
