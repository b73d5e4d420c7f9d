"""Models in the form of their library: joblib for scikit-learn, the state of a torch module, Keras's own file.

LOADING A MODEL RUNS CODE. A joblib file is a pickle: whoever wrote it decides what happens when it is loaded, with all the
rights of the job. Load models that you made, or whose maker you trust. A torch state and a Keras file are read without that
(`weights_only`, `safe_mode`): a state is tensors by their names, and becomes a model in a module of yours.
"""

from pathlib import Path
from typing import Any


class Models:
    """The artifact type `model`. Loading runs code: see the module."""

    def save(self, value: Any, folder: Path, name: str) -> list[Path]:
        """Write `name.joblib`, `name.pt` or `name.keras`; of an estimator of the Robustness Toolbox, the model in it."""
        classes = [one.__module__ for one in type(value).__mro__]
        if any(module.startswith("art.estimators") for module in classes):
            return self.save(_unwrapped(value), folder, name)
        if any(module.startswith("torch.") for module in classes):
            return [_save_torch(value, folder / f"{name}.pt")]
        if any(module.startswith("keras.") for module in classes):
            path = folder / f"{name}.keras"
            value.save(path)
            return [path]
        return [_save_joblib(value, folder / f"{name}.joblib")]

    def load(self, path: Path) -> Any:
        """Return the model; of torch its state. Loading runs code: see the module."""
        match path.suffix:
            case ".pt":
                import torch  # noqa: PLC0415 - of the three libraries, an image may have one

                return torch.load(path, map_location="cpu", weights_only=True)
            case ".keras":
                import keras  # noqa: PLC0415

                return keras.models.load_model(path, safe_mode=True)
            case _:
                import joblib  # noqa: PLC0415

                return joblib.load(path)


def _unwrapped(estimator: Any) -> Any:
    # A torch estimator keeps its module in a wrapper that returns every layer's output.
    inner = getattr(estimator, "model", None)
    return getattr(inner, "_model", inner) if "pytorch" in type(estimator).__module__ else inner


def _save_torch(module: Any, path: Path) -> Path:
    import torch  # noqa: PLC0415

    torch.save(module.state_dict() if hasattr(module, "state_dict") else module, path)
    return path


def _save_joblib(value: Any, path: Path) -> Path:
    import joblib  # noqa: PLC0415

    joblib.dump(value, path, compress=3)
    return path
